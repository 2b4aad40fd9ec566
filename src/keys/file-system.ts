import * as node from "node:fs/promises";
import { DomainError } from "../kit/index.ts";

/** What this folder does to the disk; an argument, so that tests can make each step fail. */
export type FileSystem = Pick<
  typeof node,
  | "chmod"
  | "lstat"
  | "mkdir"
  | "open"
  | "readdir"
  | "readFile"
  | "readlink"
  | "rename"
  | "rm"
  | "symlink"
>;

export const nodeFileSystem: FileSystem = node;

/** The code of a failed system call, such as ENOENT; null for any other error. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : null;
}

/** The error to throw when writing `path` failed: a DomainError where the reason is a known one. */
export function writeFailure(path: string, cause: unknown): unknown {
  switch (systemCode(cause)) {
    case "ENOSPC":
    case "EDQUOT":
      return new DomainError("disk-full", `${path} was not written: the disk is full; make room`, {
        cause,
      });
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return new DomainError(
        "read-only",
        `${path} cannot be written; check the owner and the permissions of its folder`,
        { cause },
      );
    case "ENOENT":
    case "ENOTDIR":
      return new DomainError("not-found", `the folder of ${path} does not exist`, { cause });
    default:
      return cause;
  }
}

/** Makes the entries of a folder durable: what was created, renamed or removed in it. */
export async function syncFolder(path: string, files: FileSystem): Promise<void> {
  const handle = await files.open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
