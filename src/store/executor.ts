import type { Query } from "./statement.ts";

/** Runs queries on committed data, or on what a transaction sees. */
export interface Executor {
  /** The rows of a query, or of a change with `returning`. */
  rows<Row>(query: Query<Row>): Promise<Row[]>;
  /** The rows of several queries from one snapshot, in their order. */
  snapshot<Rows extends readonly unknown[]>(queries: {
    readonly [I in keyof Rows]: Query<Rows[I]>;
  }): Promise<{ [I in keyof Rows]: Rows[I][] }>;
}

/** One transaction at work. A statement that failed fails the transaction, even if it was caught. */
export interface TransactionExecutor extends Executor {
  /** Name of this Admin Node Manager in the issuance log and in the audit chain. */
  readonly writer: string;
  /** Whether desired state was changed. */
  readonly raisesFeed: boolean;
  run(query: Query): Promise<void>;
  /** Like `run`; resolves with the number of rows that were changed. */
  changes(query: Query): Promise<number>;
  /** Says that desired state was changed: the feed revision rises by one with this transaction. */
  raiseFeed(): void;
}

/** The only row of `rows`, or undefined. */
export function first<Row>(rows: readonly Row[]): Row | undefined {
  return rows[0];
}
