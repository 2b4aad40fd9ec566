const pauseMsMin = 1_000;
const pauseMsMax = 60_000;

/**
 * Says when to tell a process by a signal, instead of a call, to load its files again: at once
 * after they changed, and then after pauses that double. Times are of the monotonic clock.
 */
export class ReloadSignal {
  #pauseMs = pauseMsMin;
  #sentAtMs = -Infinity;

  filesChanged(): void {
    this.#pauseMs = pauseMsMin;
  }

  /** True if a signal is due; it then counts as sent. */
  isDue(nowMs: number): boolean {
    if (nowMs - this.#sentAtMs < this.#pauseMs) return false;
    this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2);
    this.#sentAtMs = nowMs;
    return true;
  }
}
