/** How a simulated member sees time: `speed` seconds pass for it in each real one. */
export class ScaledTime {
  readonly speed: number;
  readonly #epochMs = Date.now();
  readonly #startedMs = performance.now();

  constructor(speed: number) {
    this.speed = speed;
  }

  /** Milliseconds since 1970 on the member's clock. */
  nowMs(): number {
    return this.#epochMs + (performance.now() - this.#startedMs) * this.speed;
  }

  /** Real milliseconds that `seconds` of the member's time take. */
  realMs(seconds: number): number {
    return Math.min((seconds * 1000) / this.speed, longestTimerMs);
  }
}

/** The longest that setTimeout takes: 2^31 - 1 ms, as long as Amlen's longest DiscoveryTimeout is in seconds. */
const longestTimerMs = 2_147_483_647;

/** Timers that end together, with the part of the member that set them. */
export class Timers {
  readonly #time: ScaledTime;
  readonly #set = new Set<NodeJS.Timeout>();

  constructor(time: ScaledTime) {
    this.#time = time;
  }

  /** Runs `work` once, after `seconds` of the member's time; the result takes that back. */
  after(seconds: number, work: () => void): () => void {
    const timer = setTimeout(() => {
      this.#set.delete(timer);
      work();
    }, this.#time.realMs(seconds));
    return this.#keep(timer);
  }

  /** Runs `work` every `seconds` of the member's time, though not more often than every `floorMs` real ones. */
  every(seconds: number, floorMs: number, work: () => void): () => void {
    return this.#keep(setInterval(work, Math.max(this.#time.realMs(seconds), floorMs)));
  }

  clear(): void {
    for (const timer of this.#set) clearTimeout(timer);
    this.#set.clear();
  }

  #keep(timer: NodeJS.Timeout): () => void {
    this.#set.add(timer);
    return () => {
      clearTimeout(timer);
      this.#set.delete(timer);
    };
  }
}
