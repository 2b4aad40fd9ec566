import { setTimeout as pause } from "node:timers/promises";
import { DomainError, isDomainError } from "../../kit/index.ts";
import { headHash, sealing, touchHead } from "../chain.ts";
import { LogicalTransaction } from "../logical-transaction.ts";
import type { TransactionWork } from "../transaction.ts";
import type { Connection } from "./connection.ts";
import { databaseError, ConnectionLost, SerializationFailure } from "./errors.ts";

const transactionsPerGroupMax = 64;
/** A group that finds no database, or meets other changes each time, is given up after this long. */
const groupMsMax = 6_000;
const retryPauseMsMax = 250;

export interface GroupCommitOptions {
  /** Name in the issuance log and the audit chain. */
  readonly writer: string;
  readonly open: () => Promise<Connection>;
  /** A transaction that has not ended after this long is rolled back. */
  readonly transactionMsMax: number;
  /** Called when a transaction that raised the feed is durable. */
  readonly onRaised: () => void;
}

interface Job {
  readonly title: string;
  readonly work: TransactionWork<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** How a job ended, told to its caller once the group is durable. */
interface Outcome {
  readonly tell: () => void;
  readonly raisesFeed: boolean;
}

/** A commit without an answer: by the hash of its link it is found out whether it took place. */
interface Doubt {
  readonly hash: string;
  readonly outcomes: readonly Outcome[];
}

/**
 * Runs logical transactions one after the other on one connection: each is a savepoint in the
 * serializable transaction of its group, so that transactions of one Admin Node Manager never fail
 * because of each other, and share a link of the chain and a commit. What came in meanwhile is the
 * next group. A group that met another Admin Node Manager's changes, or lost its connection, runs
 * again; nobody is told anything before the commit.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #queue: Job[] = [];
  #draining: Promise<void> | null = null;
  #connection: Connection | null = null;
  #isClosed = false;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Runs `work` as one transaction; resolves with its result once that is durable. */
  submit<T>(title: string, work: TransactionWork<T>): Promise<T> {
    if (this.#isClosed)
      return Promise.reject(new DomainError("not-running", "the store is closed"));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ title, work, resolve: resolve as Job["resolve"], reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Takes nothing new, and resolves when all that was submitted has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#draining;
    this.#connection?.close();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0)
      await this.#runGroup(this.#queue.splice(0, transactionsPerGroupMax));
    this.#draining = null;
  }

  async #runGroup(jobs: readonly Job[]): Promise<void> {
    const begunMs = performance.now();
    const doubts: Doubt[] = [];
    for (let attempt = 1; ; attempt++) {
      try {
        const outcomes = await this.#attempt(jobs, doubts);
        if (outcomes.some(({ raisesFeed }) => raisesFeed)) this.#options.onRaised();
        for (const { tell } of outcomes) tell();
        return;
      } catch (error) {
        const failure = await this.#afterFailure(error);
        if (!mayPass(failure) || performance.now() - begunMs > groupMsMax) {
          for (const { reject } of jobs) reject(failure);
          return;
        }
      }
      await pause(Math.random() * Math.min(retryPauseMsMax, 10 * 2 ** attempt));
    }
  }

  async #attempt(jobs: readonly Job[], doubts: Doubt[]): Promise<readonly Outcome[]> {
    const connection = (this.#connection ??= await this.#options.open());
    const settled = await this.#settle(connection, doubts);
    if (settled !== undefined) return settled;
    await connection.execute("begin isolation level serializable");
    const outcomes: Outcome[] = [];
    for (const job of jobs) outcomes.push(await this.#run(connection, job));
    const hash = await seal(connection, this.#options.writer);
    try {
      await connection.execute("commit");
    } catch (error) {
      if (hash !== undefined && databaseError(error) instanceof ConnectionLost)
        doubts.push({ hash, outcomes });
      throw error;
    }
    return outcomes;
  }

  /** A job that fails by itself is undone by itself; the failures that concern the group are thrown. */
  async #run(connection: Connection, job: Job): Promise<Outcome> {
    const { writer, transactionMsMax } = this.#options;
    const transaction = new LogicalTransaction(connection, writer);
    await connection.execute("savepoint logical");
    try {
      const value = await transaction.within(job.title, transactionMsMax, job.work);
      await connection.execute("release logical");
      return { tell: () => job.resolve(value), raisesFeed: transaction.raisesFeed };
    } catch (error) {
      if (concernsGroup(error)) throw error;
      await connection.execute("rollback to logical");
      await connection.execute("release logical");
      return { tell: () => job.reject(error), raisesFeed: false };
    }
  }

  /**
   * What a commit in doubt has led to, or undefined if it did not take place. It may be visible on a
   * server that had not passed it on before it was asked: only a later commit says that it lasts.
   */
  async #settle(
    connection: Connection,
    doubts: readonly Doubt[],
  ): Promise<readonly Outcome[] | undefined> {
    if (doubts.length === 0) return undefined;
    const { writer } = this.#options;
    await connection.execute("begin isolation level serializable");
    const hash = (await connection.rows(headHash({ writer })))[0]?.hash;
    const doubt = doubts.find((candidate) => candidate.hash === hash);
    if (doubt !== undefined) await connection.run(touchHead({ writer, hash: doubt.hash }));
    await connection.execute("commit");
    return doubt?.outcomes;
  }

  /** Leaves no transaction open; a connection that cannot do that is closed. */
  async #afterFailure(error: unknown): Promise<DomainError> {
    const failure = databaseError(error);
    const connection = this.#connection;
    if (connection === null) return failure;
    const isUsable =
      !(failure instanceof ConnectionLost) &&
      !connection.isLost &&
      (await connection.execute("rollback").then(
        () => true,
        () => false,
      ));
    if (!isUsable) {
      connection.close();
      this.#connection = null;
    }
    return failure;
  }
}

function concernsGroup(error: unknown): boolean {
  return error instanceof SerializationFailure || error instanceof ConnectionLost;
}

function mayPass(failure: DomainError): boolean {
  return concernsGroup(failure) || isDomainError(failure, "store-unavailable");
}

/** Adds the chain link of the open transaction; returns its hash, if it needed one. */
async function seal(connection: Connection, writer: string): Promise<string | undefined> {
  const steps = sealing(writer);
  let step = steps.next();
  while (step.done !== true) step = steps.next(await connection.rows(step.value));
  return step.value;
}
