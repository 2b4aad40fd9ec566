import type { SettableClock } from "../support/control-environment.ts";
import type { SeededRng } from "../support/seeded-rng.ts";

/** One run of a process, from its start to its crash. What a dead one waited for never comes. */
export interface Life {
  readonly name: string;
  alive: boolean;
}

interface Waiting {
  readonly life: Life;
  readonly what: string;
  /** Goes on at this time (simulated), or as soon as `isReady` says so. */
  wakeAtMs: number;
  readonly isReady: () => boolean;
  readonly goOn: () => void;
}

/** Longest time that one step takes. */
const stepMsMax = 8;

/**
 * Lets exactly one task go on at a time, chosen by seeded chance among those that could: every run
 * of a seed is the same. Tasks stop before each effect (`step`) and while they wait; a crash drops
 * whatever its process was about to do, and nothing else.
 */
export class Schedule {
  /** Steps taken so far. */
  steps = 0;
  readonly #clock: SettableClock;
  readonly #rng: SeededRng;
  #waiting: Waiting[] = [];
  #running = 0;
  #onIdle: () => void = () => {};
  #failure: Error | undefined;

  constructor(clock: SettableClock, rng: SeededRng) {
    this.#clock = clock;
    this.#rng = rng;
  }

  /** Begins a task of a process at its next turn. An error that it does not catch ends the run. */
  spawn(life: Life, what: string, body: () => Promise<void>, delayMs = 0): void {
    this.#wait(life, what, delayMs, never, () => {
      body().then(
        () => this.#stopped(),
        (error: unknown) => {
          this.#failure ??= error instanceof Error ? error : new Error(String(error));
          this.#stopped();
        },
      );
    });
  }

  /** Stops before an effect: others may go first, and the process may crash here. */
  async step(life: Life, what: string): Promise<void> {
    await this.sleep(life, what, 0);
  }

  /** Stops for `ms`, or until `isReady`. */
  async sleep(life: Life, what: string, ms: number, isReady = never): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wait(life, what, ms, isReady, resolve);
      this.#stopped();
    });
  }

  /** The process ends here and now, between two effects. */
  crash(life: Life): void {
    life.alive = false;
    this.#waiting = this.#waiting.filter((waiting) => waiting.life.alive);
  }

  /** Chooses who goes on next, moving the clock if nobody can yet; undefined when nobody waits. */
  choose(): { readonly life: Life; readonly what: string; goOn(): Promise<void> } | undefined {
    let able = this.#able();
    if (able.length === 0 && this.#waiting.length > 0) {
      const soonestMs = Math.min(...this.#waiting.map((waiting) => waiting.wakeAtMs));
      this.#clock.advance(Math.max(0, soonestMs - this.#clock.nowMs()));
      able = this.#able();
    }
    const chosen = able[this.#rng.below(able.length)];
    if (chosen === undefined) return undefined;
    const { life, what } = chosen;
    return { life, what, goOn: () => this.#goOn(chosen) };
  }

  async #goOn(chosen: Waiting): Promise<void> {
    this.steps += 1;
    this.#clock.advance(this.#rng.below(stepMsMax));
    this.#waiting = this.#waiting.filter((waiting) => waiting !== chosen);
    await new Promise<void>((resolve) => {
      this.#running += 1;
      this.#onIdle = resolve;
      chosen.goOn();
    });
    if (this.#failure !== undefined) throw this.#failure;
  }

  #able(): Waiting[] {
    const nowMs = this.#clock.nowMs();
    return this.#waiting.filter((waiting) => waiting.wakeAtMs <= nowMs || waiting.isReady());
  }

  #wait(life: Life, what: string, ms: number, isReady: () => boolean, goOn: () => void): void {
    if (!life.alive) return;
    this.#waiting.push({ life, what, wakeAtMs: this.#clock.nowMs() + ms, isReady, goOn });
  }

  #stopped(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#onIdle();
  }
}

function never(): boolean {
  return false;
}
