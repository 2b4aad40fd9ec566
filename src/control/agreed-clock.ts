import { DomainError, type Clock } from "../kit/index.ts";

/** When another clock was asked: by the own monotonic clock, before and after. */
export interface ClockReading {
  /** What it said, milliseconds since 1970. */
  readonly saidMs: number;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

export interface ClockVerdict {
  /** False: by more than the tolerance it is not what the others, or its own past, say. */
  readonly isRight: boolean;
  /** The machine's wall clock minus the time that counts. */
  readonly aheadMs: number;
  /** Who says so. `nobody`: there are others, and no majority among all the clocks. */
  readonly by: "majority" | "own past" | "nobody";
}

/** Wall clocks, each as what it is ahead of one and the same monotonic clock. */
interface Clocks {
  readonly ownMs: number;
  readonly othersMs: readonly number[];
  /** What the own clock, or the majority, was at the last reading with a majority, else at the start. */
  readonly anchorMs: number;
  readonly toleranceMs: number;
}

/**
 * Judges the own clock. What more than half of all clocks (the own one counts as one) agree on is
 * the time. Without such a majority the own clock is right if it was not set since it last was: so
 * one other clock that is wrong stops nobody, and one's own that is set is noticed with nobody there.
 */
export function judgeClock({ ownMs, othersMs, anchorMs, toleranceMs }: Clocks): ClockVerdict {
  const clocks = [ownMs, ...othersMs];
  const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= toleranceMs;
  const agreedMs = clocks.find(
    (clock) => clocks.filter((other) => isNear(clock, other)).length * 2 > clocks.length,
  );
  if (othersMs.length > 0 && agreedMs !== undefined)
    return { isRight: isNear(ownMs, agreedMs), aheadMs: ownMs - agreedMs, by: "majority" };
  const isRight = isNear(ownMs, anchorMs);
  const by = isRight && othersMs.length > 0 ? "nobody" : "own past";
  return { isRight, aheadMs: ownMs - anchorMs, by };
}

/**
 * The clock of an Admin Node Manager: the machine's, as long as that is right by `judgeClock`; else
 * the time that counts, so that what is decided and written by it does no harm to the others. All
 * readings are kept against the monotonic clock: a wall clock that is set is noticed at the next
 * look at it, not only when others are asked again.
 */
export class AgreedClock implements Clock {
  readonly #machine: Clock;
  readonly #toleranceMs: number;
  readonly #others = new Map<string, number>();
  #anchorMs: number;

  constructor(machine: Clock, toleranceMs: number) {
    this.#machine = machine;
    this.#toleranceMs = toleranceMs;
    this.#anchorMs = this.#ownMs();
  }

  nowMs(): number {
    const verdict = this.verdict();
    // Half a round trip is no whole number, and a time in the store is one.
    return verdict.isRight ? this.machineMs() : Math.round(this.machineMs() - verdict.aheadMs);
  }

  monotonicMs(): number {
    return this.#machine.monotonicMs();
  }

  /** What the machine's own clock says, right or wrong: for the others to judge theirs by. */
  machineMs(): number {
    return this.#machine.nowMs();
  }

  /** Notes what the clock of `source` said, or null: it does not say any more. */
  note(source: string, reading: ClockReading | null): void {
    if (reading === null) this.#others.delete(source);
    else this.#others.set(source, reading.saidMs - (reading.askedAtMs + reading.answeredAtMs) / 2);
    const { by, isRight, aheadMs } = this.verdict();
    if (by === "majority") this.#anchorMs = this.#ownMs() - (isRight ? 0 : aheadMs);
  }

  verdict(): ClockVerdict {
    return judgeClock({
      ownMs: this.#ownMs(),
      othersMs: [...this.#others.values()],
      anchorMs: this.#anchorMs,
      toleranceMs: this.#toleranceMs,
    });
  }

  /** Throws `authority-unavailable` while the clock is off: nothing is signed by such a clock. */
  requireRight(): void {
    const { isRight, aheadMs } = this.verdict();
    if (isRight) return;
    throw new DomainError(
      "authority-unavailable",
      `the clock of this Admin Node Manager is off, ${offText(aheadMs)}: it signs nothing until that is set right`,
    );
  }

  #ownMs(): number {
    return this.#machine.nowMs() - this.#machine.monotonicMs();
  }
}

/** `61.0 minutes ahead`, `2.5 hours late`. */
export function offText(aheadMs: number): string {
  const minutes = Math.abs(aheadMs) / 60_000;
  const size =
    minutes < 120 ? `${minutes.toFixed(1)} minutes` : `${(minutes / 60).toFixed(1)} hours`;
  return `${size} ${aheadMs < 0 ? "late" : "ahead"}`;
}
