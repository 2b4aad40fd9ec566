import { closeSync, fdatasync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";

const datasync = promisify(fdatasync);

/**
 * Makes commits durable: syncs SQLite's write-ahead log in one of libuv's threads. SQLite appends
 * a commit's pages to this file before the commit returns, and recovery reads them from it, so
 * that a commit is durable once the file is; SQLite's own way to do it (`synchronous = FULL`) is
 * the same call, but holds up the calling thread. The file exists, and stays the same file, while
 * a connection is open.
 */
export class WalSync {
  readonly #fd: number;

  /** Opens the log of the database `file`, whose connection is open and was used. */
  constructor(file: string) {
    this.#fd = openSync(`${file}-wal`, "r+");
    const folder = openSync(dirname(file), "r");
    fsyncSync(folder);
    closeSync(folder);
  }

  sync(): Promise<void> {
    return datasync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
