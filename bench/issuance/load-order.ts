/** One kept-alive connection of a load process: whom it calls, as whom, and with what in turn. */
export interface LoadConnection {
  readonly port: number;
  readonly path: string;
  readonly ca: string;
  /** Absent where the server asks for no certificate. */
  readonly key?: string;
  readonly cert?: string;
  readonly bodies: readonly string[];
}

export interface LoadOrder {
  readonly connections: readonly LoadConnection[];
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Answers with another status end the bench. */
  readonly status: number;
}

/** What a load process says: the clock started, and what was counted when it stopped. */
export type LoadEvent =
  | { readonly event: "started" }
  | {
      readonly event: "stopped";
      readonly answers: number;
      readonly seconds: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
    }
  | { readonly event: "failed"; readonly text: string };
