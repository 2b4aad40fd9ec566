import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { DomainError } from "../../kit/index.ts";
import { storeError } from "./errors.ts";

export interface HomeLock {
  release(): void;
}

/**
 * Takes the exclusive lock on a home folder: the lease on the embedded store. The lock is SQLite's
 * on an empty database, so the operating system drops it when the process ends in any way. The
 * file beside it names the holder for the message only. Throws `home-locked`, `home-missing`,
 * `read-only`.
 */
export async function lockHome(folder: string): Promise<HomeLock> {
  if (!existsSync(folder)) {
    throw new DomainError(
      "home-missing",
      `there is no home folder ${folder}: make a domain with \`managedomain -i\`, or join one`,
      { context: { folder } },
    );
  }
  const file = join(folder, "gatehouse.lock");
  const pidFile = join(folder, "gatehouse.pid");
  let db: Database.Database | undefined;
  try {
    closeSync(openSync(file, "a", 0o600));
    db = new Database(file, { timeout: 0 });
    db.exec("begin exclusive");
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    db?.close();
    throw lockError(error, { folder, file, pidFile });
  }
  return { release: () => void db.close() };
}

function lockError(
  error: unknown,
  { folder, file, pidFile }: { folder: string; file: string; pidFile: string },
): DomainError {
  const mapped = storeError(error, file);
  if (mapped.code !== "home-locked") return mapped;
  const pid = holderPid(pidFile);
  return new DomainError(
    "home-locked",
    `the process ${pid ?? "of another program"} is running on the home folder ${folder}: stop it first`,
    {
      context: { folder, pid },
      cause: error,
    },
  );
}

/** The number in the file, or null if it is missing or not a number. */
function holderPid(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
