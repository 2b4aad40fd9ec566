import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DomainError, type ErrorCode } from "../kit/index.ts";
import { processesOn } from "./stop-domain.ts";

/** Lies in every folder that the demonstration made, and in no other. */
const mark = ".gatehouse-demo";

const codes: Readonly<Record<string, { code: ErrorCode; advice: string }>> = {
  ENOENT: {
    code: "not-found",
    advice: "the folder it is to be in does not exist, or holds no folders",
  },
  ENOTDIR: { code: "invalid-input", advice: "name a folder" },
  ENOSPC: { code: "disk-full", advice: "make room" },
};

/**
 * Makes the folder of the demonstration: the wanted one, else a temporary one. One of an earlier
 * demonstration is emptied. Throws `home-exists` for a folder with anything else
 * in it, `home-locked` for one that is in use, and
 * `not-found`, `invalid-input`, `disk-full` or `read-only` where it cannot be made.
 */
export async function makeDemoFolder(wanted: string | null): Promise<string> {
  const folder = wanted === null ? mkdtempSync(join(tmpdir(), "gatehouse-demo-")) : resolve(wanted);
  try {
    if (wanted !== null) await makeOrEmpty(folder);
    writeFileSync(join(folder, mark), "");
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    const { code, advice } = codes[(cause as NodeJS.ErrnoException).code ?? ""] ?? {
      code: "read-only" as const,
      advice: "check its owner and mode",
    };
    // Without its cause, which the demonstration would print: the code says all.
    throw new DomainError(code, `${folder} cannot be made: ${advice}`);
  }
  return folder;
}

async function makeOrEmpty(folder: string): Promise<void> {
  const found = contentOf(folder);
  // Not `recursive`: below /proc that never ends.
  if (found === null) mkdirSync(folder, { mode: 0o700 });
  else if (found.includes(mark)) {
    if ((await processesOn(folder)).length > 0)
      throw new DomainError("home-locked", `another npm start runs on ${folder}: end it first`);
    for (const name of found) rmSync(join(folder, name), { recursive: true });
  } else if (found.length > 0)
    throw new DomainError(
      "home-exists",
      `${folder} is not empty and was not made by npm start: name a new or an empty folder with --home`,
    );
}

function contentOf(folder: string): string[] | null {
  try {
    return readdirSync(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw cause;
  }
}
