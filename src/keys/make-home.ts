import { lstat, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { DomainError } from "../kit/index.ts";
import { systemCode } from "./file-system.ts";

/**
 * Makes a home folder for its owner only, with the folders that lead to it; returns those that were
 * not there, innermost first. One by one: Node's recursive `mkdir` never ends where the system
 * refuses a folder as if its parent were missing, as in /proc. Throws `read-only`, `disk-full`.
 */
export async function makeHomeFolder(home: string): Promise<string[]> {
  const made: string[] = [];
  try {
    for (const folder of await missingFolders(home)) {
      await mkdir(folder, { mode: 0o700 });
      made.unshift(folder);
    }
    return made;
  } catch (cause) {
    const isFull = systemCode(cause) === "ENOSPC";
    throw new DomainError(
      isFull ? "disk-full" : "read-only",
      `the home folder ${home} cannot be made: choose a folder that you can write`,
      { cause },
    );
  }
}

/** The outermost first. Rejects where something else than a folder is in the way. */
async function missingFolders(path: string): Promise<string[]> {
  try {
    await lstat(`${path}/.`);
    return [];
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    return [...(await missingFolders(dirname(path))), path];
  }
}
