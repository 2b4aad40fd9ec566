import { setImmediate } from "node:timers/promises";
import { DomainError } from "../../kit/index.ts";
import { sealing } from "../chain.ts";
import type { TransactionExecutor } from "../executor.ts";
import type { Connection } from "./database.ts";
import { LogicalTransaction } from "../logical-transaction.ts";

/** Bounds the memory of a group and what one failed commit takes with it. */
const transactionsPerGroupMax = 256;
/** A group is closed after this long although others wait, and the event loop gets its turn. */
const groupMsMax = 5;

export interface GroupCommitOptions {
  readonly connection: Connection;
  /** Name in the issuance log and the audit chain. */
  readonly writer: string;
  /** Makes everything committed so far durable. */
  readonly sync: () => Promise<void>;
  /** A transaction that has not ended after this long is rolled back. */
  readonly transactionMsMax: number;
  /** Called when a transaction that raised the feed is durable. */
  readonly onRaised: () => void;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly raisesFeed: boolean;
}

interface Job {
  /** What it is, for the error if it does not end. */
  readonly title: string;
  /** Runs in a savepoint; returns what resolves the caller's promise. */
  readonly work: (executor: TransactionExecutor) => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs logical transactions one after the other, which makes them serializable: each is a
 * savepoint in the transaction of its group. While one group is being synced to the disk, in
 * libuv's threads, the next one gathers; each promise resolves when its group is on the disk.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #queue: Job[] = [];
  #draining = false;
  /** Ended in the open transaction. */
  #group: Waiting[] = [];
  #groupSinceMs = 0;
  /** Committed, waiting for the next sync; and those whom the running sync serves. */
  #committed: Waiting[] = [];
  #syncing: Waiting[] | undefined;
  /**
   * A sync failed: what is committed can be seen but may not outlive a power failure. Nothing is
   * written or answered any more; the next start reads what the disk really has.
   */
  #broken: DomainError | undefined;
  #closed: DomainError | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Runs `work` as one transaction; resolves with its result once that is durable. */
  submit<T>(title: string, work: (executor: TransactionExecutor) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise<T>((resolve, reject) => {
      const run = async (executor: TransactionExecutor): Promise<() => void> => {
        const value = await work(executor);
        return () => resolve(value);
      };
      this.#queue.push({ title, work: run, reject });
      void this.#drain();
    });
  }

  /** Resolves when everything that readers can see by now is durable. */
  settled(): Promise<void> {
    const serving = this.#committed.length > 0 ? this.#committed : this.#syncing;
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (serving === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      serving.push({ resolve, reject, raisesFeed: false });
    });
  }

  /** Takes nothing new, and resolves when all that was submitted has ended. */
  async close(): Promise<void> {
    const last = this.submit("close", async () => {});
    this.#closed ??= new DomainError("not-running", "the store is closed");
    await last.catch(() => {});
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      await this.#run(job);
      if (this.#groupIsFull()) {
        this.#commit();
        void this.#sync();
        await setImmediate();
      }
    }
    this.#draining = false;
    void this.#sync();
  }

  async #run(job: Job): Promise<void> {
    const { connection, writer, transactionMsMax } = this.#options;
    const executor = new LogicalTransaction(connection, writer);
    try {
      if (this.#broken !== undefined) throw this.#broken;
      if (!connection.inTransaction) {
        connection.execute("begin immediate");
        this.#groupSinceMs = performance.now();
      }
      connection.execute("savepoint logical");
      const resolve = await executor.within(job.title, transactionMsMax, job.work);
      connection.execute("release logical");
      this.#group.push({ resolve, reject: job.reject, raisesFeed: executor.raisesFeed });
    } catch (error) {
      job.reject(error);
      this.#undo(error);
    }
  }

  /** Rolls back the running transaction; the whole group if SQLite has done so, as on a full disk. */
  #undo(cause: unknown): void {
    const { connection } = this.#options;
    try {
      if (connection.inTransaction) {
        connection.execute("rollback to logical");
        connection.execute("release logical");
        return;
      }
    } catch {
      connection.rollBack();
    }
    this.#reject(this.#group, connection.mapped(cause));
    this.#group = [];
  }

  #groupIsFull(): boolean {
    return (
      this.#group.length >= transactionsPerGroupMax ||
      performance.now() - this.#groupSinceMs > groupMsMax
    );
  }

  /** Commits the open group with its link of the chain: readers see it, the disk may not. */
  #commit(): void {
    const { connection, writer } = this.#options;
    const group = this.#group;
    this.#group = [];
    try {
      if (group.length > 0) {
        seal(writer, connection);
        connection.execute("commit");
      }
      this.#committed.push(...group);
    } catch (error) {
      this.#reject(group, connection.mapped(error));
    }
    connection.rollBack();
  }

  /** Syncs what is committed, one sync after the other, until there is nothing more. */
  async #sync(): Promise<void> {
    if (this.#syncing !== undefined) return;
    for (;;) {
      if (!this.#draining) this.#commit();
      if (this.#committed.length === 0) return;
      const batch = this.#committed;
      this.#syncing = batch;
      this.#committed = [];
      try {
        await this.#options.sync();
        if (batch.some(({ raisesFeed }) => raisesFeed)) this.#options.onRaised();
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#broken = this.#options.connection.mapped(error);
        this.#reject(batch, this.#broken);
      }
      this.#syncing = undefined;
    }
  }

  #reject(waiting: readonly Waiting[], error: DomainError): void {
    for (const { reject } of waiting) reject(error);
  }
}

/** Adds the chain link of the open transaction. */
function seal(writer: string, connection: Connection): void {
  const steps = sealing(writer);
  let step = steps.next();
  while (step.done !== true) step = steps.next(connection.rows(step.value));
}
