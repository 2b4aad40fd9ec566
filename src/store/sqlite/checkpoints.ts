import { Worker } from "node:worker_threads";

/** Commits between two checkpoints: the log stays at some megabytes under load. */
const commitsPerCheckpoint = 128;

/**
 * A thread that copies pages from the write-ahead log into the database file, so that the main
 * thread need not wait for the disk. A passive checkpoint (SQLite documentation, `PRAGMA
 * wal_checkpoint`) holds up neither reader nor writer; should the thread end, commits do it themselves.
 */
export class Checkpoints {
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  #commits = 0;
  #running = false;

  constructor(file: string) {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const thread = new URL(`./checkpoint-thread.${extension}`, import.meta.url);
    this.#worker = new Worker(thread, { workerData: file, execArgv: [] });
    this.#worker.on("message", () => (this.#running = false));
    this.#worker.on("error", () => (this.#running = true));
    this.#ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.unref();
  }

  /** Begins a checkpoint when enough was committed since the last one and none is running. */
  afterCommit(): void {
    this.#commits++;
    if (this.#running || this.#commits < commitsPerCheckpoint) return;
    this.#commits = 0;
    this.#running = true;
    this.#worker.postMessage("checkpoint");
  }

  /** The thread ends by itself: one that is terminated while it loads SQLite takes the process with it. */
  async close(): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage("close");
    await this.#ended;
  }
}
