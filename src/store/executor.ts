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

/** One transaction at work. */
export interface TransactionExecutor extends Executor {
  /** Name of this Admin Node Manager in the issuance log and in the audit chain. */
  readonly writer: string;
  /**
   * Changes rows. It may return before the change is made: a failure then fails the transaction.
   * With `mustChange`, to have changed nothing is a failure too: `not-found` with that message.
   */
  run(query: Query, mustChange?: string): Promise<void>;
  /** Says that desired state was changed: the feed revision rises by one with this transaction. */
  raiseFeed(): void;
  readonly raisesFeed: boolean;
}

/** The only row of `rows`, or undefined. */
export function first<Row>(rows: readonly Row[]): Row | undefined {
  return rows[0];
}
