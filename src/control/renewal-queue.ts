/** By how much a turn that was given late may be made up for: bounds the burst after a pause. */
const catchUpMs = 100;
/** Nobody is told to come again later than this from now. */
const retryAfterMsMax = 600_000;

interface Waiting<T> {
  readonly item: T;
  readonly deadlineMs: number;
  readonly enteredAtMs: number;
}

/** What one look at the queue decides. */
export interface RenewalTurns<T> {
  /** Whose turn it is, in this order. */
  readonly admitted: readonly T[];
  /** Who is to come again, and in how long. */
  readonly sentAway: readonly { readonly item: T; readonly retryAfterMs: number }[];
  /** When to look again; null: nobody waits. */
  readonly nextLookAtMs: number | null;
}

/**
 * Renewals in the order of the deadlines of those that are there, at a bounded rate. Who would have
 * to wait for longer than `waitMsMax` is told to come again, each at a moment of its own at which
 * the rate has room for it. `nowMs` is of a clock that never goes back.
 */
export class RenewalQueue<T> {
  readonly #intervalMs: number;
  readonly #waitMsMax: number;
  readonly #waitingMax: number;
  #waiting: Waiting<T>[] = [];
  #nextTurnAtMs = -Infinity;
  #promisedUntilMs = -Infinity;

  constructor({ perSecond, waitMsMax }: { perSecond: number; waitMsMax: number }) {
    this.#intervalMs = 1000 / perSecond;
    this.#waitMsMax = waitMsMax;
    this.#waitingMax = Math.max(1, Math.floor((perSecond * waitMsMax) / 1000));
  }

  /** Adds one that is to be done before `deadlineMs`; `look` decides about it. */
  enter(item: T, deadlineMs: number, nowMs: number): void {
    const after = this.#waiting.findIndex((other) => other.deadlineMs > deadlineMs);
    const at = after < 0 ? this.#waiting.length : after;
    this.#waiting.splice(at, 0, { item, deadlineMs, enteredAtMs: nowMs });
  }

  /** Gives the turns that are due, and sends away who cannot get one in time. */
  look(nowMs: number): RenewalTurns<T> {
    const admitted: T[] = [];
    while (this.#nextTurnAtMs <= nowMs) {
      const first = this.#waiting.shift();
      if (first === undefined) break;
      admitted.push(first.item);
      this.#nextTurnAtMs = Math.max(this.#nextTurnAtMs, nowMs - catchUpMs) + this.#intervalMs;
    }
    const tooMany = this.#waiting.splice(this.#waitingMax);
    const late = this.#waiting.filter((entry) => this.#endOf(entry) <= nowMs);
    this.#waiting = this.#waiting.filter((entry) => this.#endOf(entry) > nowMs);
    const sentAway = [...late, ...tooMany].map(({ item }) => ({
      item,
      retryAfterMs: this.#promise(nowMs),
    }));
    const nextLookAtMs =
      this.#waiting.length === 0
        ? null
        : Math.min(this.#nextTurnAtMs, ...this.#waiting.map((entry) => this.#endOf(entry)));
    return { admitted, sentAway, nextLookAtMs };
  }

  #endOf({ enteredAtMs }: Waiting<T>): number {
    return enteredAtMs + this.#waitMsMax;
  }

  /** After those that wait and those that were sent away before. */
  #promise(nowMs: number): number {
    const next = Math.max(this.#promisedUntilMs, nowMs + this.#waitMsMax) + this.#intervalMs;
    this.#promisedUntilMs = Math.min(next, nowMs + retryAfterMsMax);
    return Math.ceil(this.#promisedUntilMs - nowMs);
  }
}
