import { DomainError, type HostId } from "../../src/kit/index.ts";
import type { SettableClock } from "../support/control-environment.ts";
import type { SeededRng } from "../support/seeded-rng.ts";
import type { Life, Schedule } from "./schedule.ts";

export interface Faults {
  /** Share of messages, and of answers, that never arrive. */
  readonly loss: number;
  /** Share of messages that arrive twice, the second time later. */
  readonly repeat: number;
  /** Messages and answers take up to this long: what was sent later may arrive first. */
  readonly delayMsMax: number;
}

export const noFaults: Faults = { loss: 0, repeat: 0, delayMsMax: 0 };

/** One end of a conversation: a process as it runs now, and the host it is on (null: outside). */
export interface Endpoint {
  readonly life: Life;
  readonly hostId: HostId | null;
}

const timeoutMs = 5_000;
/** Between processes of one host things get lost less often, and never by a partition. */
const localLossShare = 0.3;

/** Carries calls between processes, badly. */
export class Network {
  faults: Faults = noFaults;
  /** Hosts that nobody reaches. */
  readonly away = new Set<HostId>();
  readonly #schedule: Schedule;
  readonly #clock: SettableClock;
  readonly #rng: SeededRng;

  constructor(schedule: Schedule, clock: SettableClock, rng: SeededRng) {
    this.#schedule = schedule;
    this.#clock = clock;
    this.#rng = rng;
  }

  reaches(from: HostId | null, to: HostId | null): boolean {
    return from === to || !(this.#isAway(from) || this.#isAway(to));
  }

  #isAway(hostId: HostId | null): boolean {
    return hostId !== null && this.away.has(hostId);
  }

  /**
   * Calls another process. `serve` runs there, as a task of that process, once or twice or never;
   * it throws what the caller is to see. Rejects with `unreachable` when no answer came in time.
   */
  async call<T>(
    from: Endpoint,
    to: Endpoint | null,
    what: string,
    serve: () => Promise<T>,
  ): Promise<T> {
    await this.#schedule.step(from.life, `send ${what}`);
    const answer: { result?: { ok: true; value: T } | { ok: false; error: unknown } } = {};
    if (to !== null) this.#deliver(from, to, what, serve, (result) => (answer.result ??= result));
    const hasAnswer = (): boolean => answer.result !== undefined;
    await this.#schedule.sleep(from.life, `answer to ${what}`, timeoutMs, hasAnswer);
    const { result } = answer;
    if (result === undefined)
      throw new DomainError("unreachable", `no answer to ${what} within ${timeoutMs} ms`);
    if (!result.ok) throw result.error;
    return result.value;
  }

  #deliver<T>(
    from: Endpoint,
    to: Endpoint,
    what: string,
    serve: () => Promise<T>,
    answer: (result: { ok: true; value: T } | { ok: false; error: unknown }) => void,
  ): void {
    const isLocal = from.hostId === to.hostId;
    const lost = this.faults.loss * (isLocal ? localLossShare : 1);
    const deliverOnce = (): void => {
      this.#schedule.spawn(
        to.life,
        `serve ${what}`,
        async () => {
          if (!this.reaches(from.hostId, to.hostId) || this.#rng.happens(lost)) return;
          const result = await outcomeOf(serve);
          await this.#schedule.sleep(to.life, `answer ${what}`, this.#delay());
          if (this.reaches(from.hostId, to.hostId) && !this.#rng.happens(lost)) answer(result);
        },
        this.#delay(),
      );
    };
    deliverOnce();
    if (this.#rng.happens(this.faults.repeat)) deliverOnce();
  }

  #delay(): number {
    // Most are quick; a few are late enough to be overtaken, or to arrive after the caller gave up.
    const share = this.#rng.next() ** 4;
    return Math.floor(this.faults.delayMsMax * share);
  }

  get nowMs(): number {
    return this.#clock.nowMs();
  }
}

async function outcomeOf<T>(
  serve: () => Promise<T>,
): Promise<{ ok: true; value: T } | { ok: false; error: unknown }> {
  try {
    return { ok: true, value: await serve() };
  } catch (error) {
    return { ok: false, error };
  }
}
