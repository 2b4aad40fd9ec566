import { onTestFinished } from "vitest";
import type { Clock } from "../../../src/kit/index.ts";
import type { Store } from "../../../src/control/index.ts";

/** One database product, as the suite uses it. */
export interface StoreHarness {
  /** A new empty place for a store, removed when the test ends. */
  readonly place: () => Promise<string>;
  readonly open: (place: string, options: OpenOptions) => Promise<Store>;
  /** Program that opens the store at its first argument, issues, and prints each acknowledged serial. */
  readonly writerProgram: URL;
  /** Runs SQL behind the store's back. */
  readonly tamper: (place: string, sql: string) => Promise<void>;
}

export interface OpenOptions {
  readonly writer: string;
  readonly clock: Clock;
  readonly transactionMsMax?: number;
}

export const testClock: Clock = {
  nowMs: () => 1_790_000_000_000,
  monotonicMs: () => performance.now(),
};

/** A store for the running test, closed when it ends. */
export async function openStore(
  harness: StoreHarness,
  place?: string,
  options: Partial<OpenOptions> = {},
): Promise<Store> {
  const store = await harness.open(place ?? (await harness.place()), {
    writer: "nodemanager-1",
    clock: testClock,
    ...options,
  });
  onTestFinished(() => store.close());
  return store;
}
