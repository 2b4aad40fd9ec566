import { DomainError, type ErrorCode } from "../../kit/index.ts";

/** What breaking a unique index means; SQLite names the columns, not the index. */
const rules: readonly { columns: string; code: ErrorCode; message: string }[] = [
  {
    columns: "authorities.usage",
    code: "conflict",
    message:
      "there would be two current authorities of one usage: take the status from the present one first",
  },
  {
    columns: "rollouts.changes_trust",
    code: "rollout-active",
    message: "another rollout that changes trust is under way: finish it or roll it back first",
  },
  {
    columns: "issuances.authority_id, issuances.serial",
    code: "conflict",
    message: "this authority has used the serial number before: sign again with another",
  },
];

/** What an error of SQLite, of the file system or of our own means for the caller. */
export function storeError(error: unknown, file: string): DomainError {
  if (error instanceof DomainError) return error;
  const sqlite = errorCode(error);
  const make = (code: ErrorCode, message: string): DomainError =>
    new DomainError(code, message, { cause: error, context: { file, sqlite } });
  if (sqlite === "SQLITE_FULL" || sqlite === "ENOSPC")
    return make("disk-full", `there is no space left for ${file}: free some and try again`);
  if (/^(SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM|EACCES|EPERM|EROFS)/.test(sqlite)) {
    return make(
      "read-only",
      `${file} cannot be written: check the owner and the permissions of the folder`,
    );
  }
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT)/.test(sqlite)) {
    return make(
      "state-corrupt",
      `${file} is not an intact database: restore the home folder from a backup`,
    );
  }
  if (/^SQLITE_(BUSY|LOCKED)/.test(sqlite))
    return make("home-locked", `another process is writing to ${file}: stop it first`);
  if (sqlite.startsWith("SQLITE_CONSTRAINT")) {
    const text = error instanceof Error ? error.message : "";
    const rule = rules.find(({ columns }) => text.endsWith(`: ${columns}`));
    if (rule !== undefined) return make(rule.code, rule.message);
  }
  if (/^(SQLITE_IOERR|EIO)/.test(sqlite)) {
    return make(
      "internal",
      `the disk failed while ${file} was read or written: check it, then restart`,
    );
  }
  return make("internal", `the database ${file} refused a statement`);
}

function errorCode(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
