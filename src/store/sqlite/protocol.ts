import type { Bound } from "../statement.ts";
import type { WireError } from "./errors.ts";

/** What the writer thread is started with. */
export interface WriterOptions {
  readonly file: string;
  /** Name in the issuance log and the audit chain. */
  readonly writer: string;
  readonly nowMs: number;
}

/** Commands to the writer thread, executed in the order in which they are sent. */
export type Command =
  /** Begins a logical transaction: what follows belongs to it, until `end` or `abort`. */
  | { readonly do: "begin"; readonly transaction: number }
  /** Changes rows; a failure fails the transaction and is reported with its group. */
  | { readonly do: "run"; readonly bound: Bound; readonly mustChange: string | null }
  /** Runs queries and answers with their rows. */
  | { readonly do: "rows"; readonly request: number; readonly queries: readonly Bound[] }
  | { readonly do: "end" }
  | { readonly do: "abort" }
  /** Makes everything since the last commit durable and answers. */
  | { readonly do: "commit"; readonly group: number }
  | { readonly do: "close" };

export type Reply =
  | { readonly is: "opened" }
  | { readonly is: "not-opened"; readonly error: WireError }
  | {
      readonly is: "rows";
      readonly request: number;
      readonly results: readonly (readonly unknown[])[];
    }
  | { readonly is: "failed"; readonly request: number; readonly error: WireError }
  | {
      readonly is: "committed";
      readonly group: number;
      /** Why nothing of the group is there; null if it is durable. */
      readonly error: WireError | null;
      /** Transactions of the group that failed alone. */
      readonly failed: readonly { readonly transaction: number; readonly error: WireError }[];
    };
