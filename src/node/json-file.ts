import { readFile } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";

/** What a state file holds, or null if there is none. Throws `read-only`, `state-corrupt`. */
export async function readJson<T>(path: string): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new DomainError("read-only", `${path} cannot be read: check its owner and mode`, {
      cause,
    });
  }
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new DomainError("state-corrupt", `${path} is not JSON: restore it from a backup`, {
      cause,
    });
  }
}
