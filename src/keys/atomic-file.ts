import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { DomainError } from "../kit/index.ts";
import { nodeFileSystem, syncFolder, systemCode, writeFailure } from "./file-system.ts";
import type { FileSystem } from "./file-system.ts";

/** Who may do what with a file. */
export interface FileAccess {
  /** 0o600 for anything with a key in it. */
  readonly mode: number;
  /** Both or neither; the process's own where they are absent. */
  readonly uid?: number;
  readonly gid?: number;
}

/** What the name of an unfinished file or folder begins with. */
export const unfinishedPrefix = ".unfinished-";

/** A name for something unfinished, in the folder of `path`, that nobody else uses. */
export function unfinishedPath(path: string): string {
  const unique = randomBytes(6).toString("hex");
  return join(dirname(path), `${unfinishedPrefix}${basename(path)}-${unique}`);
}

/**
 * Replaces `path` so that a reader, and a machine that loses power, has either the old content or
 * the new one, and that the new one is durable on return. A DomainError `disk-full`, `read-only`
 * or `not-found` (its folder) if that failed; nothing is left behind then.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  access: FileAccess,
  files: FileSystem = nodeFileSystem,
): Promise<void> {
  const temporary = unfinishedPath(path);
  try {
    await writeNewFile(temporary, data, access, files);
    await files.rename(temporary, path);
    await syncFolder(dirname(path), files);
  } catch (cause) {
    await files.rm(temporary, { force: true }).catch(() => undefined);
    throw writeFailure(path, cause);
  }
}

/** Creates `path`, which must not exist, with its content durable; its name is not yet. */
export async function writeNewFile(
  path: string,
  data: string | Uint8Array,
  { mode, uid, gid }: FileAccess,
  files: FileSystem,
): Promise<void> {
  const handle = await files.open(path, "wx", mode);
  try {
    if (uid !== undefined && gid !== undefined) await handle.chown(uid, gid);
    // The mode that open was given has passed through the umask.
    await handle.chmod(mode);
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes sure that the folder exists with this mode, its parents too. A DomainError `read-only`,
 * `disk-full`, or `already-exists` if something else has the name.
 */
export async function ensureFolder(
  path: string,
  mode: number,
  files: FileSystem = nodeFileSystem,
): Promise<void> {
  try {
    await files.mkdir(path, { recursive: true, mode });
    const { mode: found } = await files.lstat(path);
    if ((found & 0o7777) !== mode) await files.chmod(path, mode);
    await syncFolder(dirname(path), files);
  } catch (cause) {
    if (systemCode(cause) !== "EEXIST") throw writeFailure(path, cause);
    throw new DomainError("already-exists", `${path} is not a folder; move it away`, { cause });
  }
}
