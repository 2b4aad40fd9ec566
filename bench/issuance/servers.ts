import type { LoadConnection } from "./load-order.ts";

/** Something that issues certificates over TLS, started for the bench. */
export interface IssuanceServer {
  readonly name: string;
  /** Of a successful answer. */
  readonly status: number;
  /** Every process that works for it. */
  pids(): number[];
  /** What the client with this number (from 0) does with its share of the requests. */
  connection(client: number, requests: readonly string[]): LoadConnection;
  stop(): Promise<void>;
}
