/** Time, as an argument: pure code never looks at a clock of its own. */
export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01T00:00:00Z. */
  nowMs(): number;
  /** Monotonic clock, milliseconds from an arbitrary start; never goes back. */
  monotonicMs(): number;
}

/** Chance, as an argument. */
export interface Rng {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
}
