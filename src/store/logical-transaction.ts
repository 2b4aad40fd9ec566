import { DomainError } from "../kit/index.ts";
import type { TransactionExecutor } from "./executor.ts";
import type { Query } from "./statement.ts";

/** A database connection with an open transaction. */
export interface OpenTransaction {
  rows<Row>(query: Query<Row>): Row[] | Promise<Row[]>;
  /** Runs a change; returns how many rows it changed. */
  run(query: Query): number | Promise<number>;
  /** What an error of the database means for the caller. */
  mapped(error: unknown): DomainError;
}

/** One transaction at work on the writing connection. */
export class LogicalTransaction implements TransactionExecutor {
  readonly writer: string;
  readonly #connection: OpenTransaction;
  #failure: DomainError | undefined;
  /** The title of a transaction that has ended. */
  #ended: string | undefined;
  #raisesFeed = false;

  constructor(connection: OpenTransaction, writer: string) {
    this.#connection = connection;
    this.writer = writer;
  }

  get raisesFeed(): boolean {
    return this.#raisesFeed;
  }

  /**
   * Runs `work` with this transaction, which cannot be used any more afterwards. Rejects with the
   * first failure of a statement, or with `timeout` if it has not ended after `deadlineMs`.
   */
  async within<T>(
    title: string,
    deadlineMs: number,
    work: (executor: TransactionExecutor) => Promise<T>,
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooLong(title, deadlineMs)), deadlineMs);
    });
    try {
      const value = await Promise.race([work(this), deadline]);
      if (this.#failure !== undefined) throw this.#failure;
      return value;
    } finally {
      clearTimeout(timer);
      this.#ended = title;
    }
  }

  async rows<Row>(query: Query<Row>): Promise<Row[]> {
    return this.#attempt(() => this.#connection.rows(query));
  }

  async snapshot<Rows extends readonly unknown[]>(queries: {
    readonly [I in keyof Rows]: Query<Rows[I]>;
  }): Promise<{ [I in keyof Rows]: Rows[I][] }> {
    const results: unknown[][] = [];
    for (const query of queries) results.push(await this.rows(query));
    return results as { [I in keyof Rows]: Rows[I][] };
  }

  async run(query: Query): Promise<void> {
    await this.changes(query);
  }

  async changes(query: Query): Promise<number> {
    return this.#attempt(() => this.#connection.run(query));
  }

  raiseFeed(): void {
    this.#raisesFeed = true;
  }

  async #attempt<T>(execute: () => T | Promise<T>): Promise<T> {
    if (this.#ended !== undefined) throw over(this.#ended);
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await execute();
    } catch (error) {
      this.#failure = this.#connection.mapped(error);
      throw this.#failure;
    }
  }
}

function tooLong(title: string, deadlineMs: number): DomainError {
  return new DomainError(
    "timeout",
    `the transaction ${title} did not end within ${deadlineMs} ms and was rolled back: try again`,
    { context: { title } },
  );
}

function over(title: string): DomainError {
  return new DomainError(
    "internal",
    `the transaction ${title} is over: nothing can be read or written with it any more`,
    { context: { title } },
  );
}
