import { DomainError } from "../../kit/index.ts";
import type { TransactionExecutor } from "../executor.ts";
import { LogicalTransaction } from "./logical-transaction.ts";
import { fromWire } from "./errors.ts";
import type { WriterChannel } from "./writer-channel.ts";

/** Bounds the memory of a group and what one failed commit takes with it. */
const transactionsPerGroupMax = 256;
/** A group is closed after this long although others wait, so that the first does not wait for ever. */
const groupMsMax = 5;

export interface Limits {
  /** A transaction that has not ended after this long is rolled back. */
  readonly transactionMsMax: number;
}

interface Job {
  /** What it is, for the error if it does not end. */
  readonly title: string;
  readonly work: (executor: TransactionExecutor) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Done {
  readonly transaction: number;
  readonly job: Job;
  readonly value: unknown;
  readonly raisesFeed: boolean;
}

/**
 * Runs logical transactions one after the other, which makes them serializable, and commits those
 * that waited for each other together: while one group is being made durable the next one gathers.
 */
export class GroupCommit {
  readonly #channel: WriterChannel;
  readonly #writer: string;
  readonly #limits: Limits;
  readonly #onRaised: () => void;
  readonly #queue: Job[] = [];
  #running = false;
  #lastTransaction = 0;
  #lastGroup = 0;
  #group: Done[] = [];
  #groupOpen = false;
  #groupSinceMs = 0;
  #committing = 0;
  #closing: (() => void) | undefined;
  #closed: DomainError | undefined;

  constructor(channel: WriterChannel, writer: string, limits: Limits, onRaised: () => void) {
    this.#channel = channel;
    this.#writer = writer;
    this.#limits = limits;
    this.#onRaised = onRaised;
  }

  /** Runs `work` as one transaction; resolves with its result once that is durable. */
  submit<T>(title: string, work: (executor: TransactionExecutor) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ title, work, resolve: resolve as (value: unknown) => void, reject });
      this.#advance();
    });
  }

  /** Takes nothing new, and resolves when all that was submitted has ended. */
  close(): Promise<void> {
    this.#closed ??= new DomainError("not-running", "the store is closed");
    return new Promise((resolve) => {
      this.#closing = resolve;
      this.#advance();
    });
  }

  #advance(): void {
    if (this.#running) return;
    const job = this.#queue.shift();
    if (job !== undefined) void this.#run(job);
    else if (this.#groupOpen && this.#committing === 0) void this.#commit();
    else if (!this.#groupOpen && this.#committing === 0) this.#closing?.();
  }

  async #run(job: Job): Promise<void> {
    this.#running = true;
    if (!this.#groupOpen) {
      this.#groupOpen = true;
      this.#groupSinceMs = performance.now();
    }
    const transaction = ++this.#lastTransaction;
    const executor = new LogicalTransaction(this.#channel, this.#writer);
    this.#channel.send({ do: "begin", transaction });
    try {
      const value = await executor.within(job.title, this.#limits.transactionMsMax, job.work);
      this.#channel.send({ do: "end" });
      this.#group.push({ transaction, job, value, raisesFeed: executor.raisesFeed });
    } catch (error) {
      this.#channel.send({ do: "abort" });
      job.reject(error);
    }
    this.#running = false;
    if (this.#groupIsFull()) void this.#commit();
    this.#advance();
  }

  #groupIsFull(): boolean {
    if (this.#group.length >= transactionsPerGroupMax) return true;
    return this.#committing === 0 && performance.now() - this.#groupSinceMs > groupMsMax;
  }

  async #commit(): Promise<void> {
    const group = this.#group;
    this.#group = [];
    this.#groupOpen = false;
    this.#committing++;
    try {
      const { error, failed } = await this.#channel.commit(++this.#lastGroup);
      const failures = new Map(failed.map((f) => [f.transaction, f.error]));
      const survivors: Done[] = [];
      for (const done of group) {
        const failure = error ?? failures.get(done.transaction);
        if (failure === undefined) survivors.push(done);
        else done.job.reject(fromWire(failure));
      }
      if (survivors.some((done) => done.raisesFeed)) this.#onRaised();
      for (const { job, value } of survivors) job.resolve(value);
    } catch (error) {
      for (const { job } of group) job.reject(error);
    }
    this.#committing--;
    this.#groupSinceMs = performance.now();
    this.#advance();
  }
}
