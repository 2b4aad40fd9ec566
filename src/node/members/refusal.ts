const pauseMsMin = 1_000;
const pauseMsMax = 60_000;

/** What a server did not take: tried again after a pause that doubles, or at once when it is another. */
export class Refusals {
  #last: { wanted: string; failures: number; untilMs: number; reason: string } | null = null;

  /** Why what is wanted was refused last; null: it was not, or is another by now. */
  get reason(): string | null {
    return this.#last?.reason ?? null;
  }

  /** Says what is wanted now: a text that is another one when anything of it is. */
  want(wanted: string): void {
    if (this.#last?.wanted !== wanted) this.#last = null;
  }

  /** `nowMs` is of the monotonic clock. */
  mayTry(nowMs: number): boolean {
    return this.#last === null || nowMs >= this.#last.untilMs;
  }

  refused(wanted: string, reason: string, nowMs: number): void {
    const failures = (this.#last?.failures ?? 0) + 1;
    const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** (failures - 1));
    this.#last = { wanted, failures, untilMs: nowMs + pauseMs, reason };
  }

  forget(): void {
    this.#last = null;
  }
}
