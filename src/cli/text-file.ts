import { readFile } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";

/**
 * The text of a file that a person named; `what` says what it is for. Throws `not-found`,
 * `invalid-input` for a folder, and `read-only` where it is there but cannot be read.
 */
export async function readTextFile(path: string, what: string): Promise<string> {
  return (await readBinaryFile(path, what)).toString("utf8");
}

/** The same for the bytes of a file. */
export async function readBinaryFile(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EISDIR")
      throw new DomainError("invalid-input", `${what} ${path} is a folder: name a file`, { cause });
    throw code === "ENOENT" || code === "ENOTDIR"
      ? new DomainError("not-found", `${what} ${path} does not exist: check the path`, { cause })
      : new DomainError("read-only", `${what} ${path} cannot be read: check its owner and mode`, {
          cause,
        });
  }
}

/** The same, or null where there is no such file. */
export async function readTextFileIfThere(path: string, what: string): Promise<string | null> {
  try {
    return await readTextFile(path, what);
  } catch (error) {
    if (error instanceof DomainError && error.code === "not-found") return null;
    throw error;
  }
}
