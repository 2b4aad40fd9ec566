import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, type Clock } from "../../kit/index.ts";
import type { LastKnown } from "../../control/index.ts";
import { copyIntoMemory } from "../last-known.ts";
import type { Connection } from "./connection.ts";
import { databaseError } from "./errors.ts";

const askEveryMs = 1_000;
/** After a failure it is asked more often: everybody waits for its return. */
const askAgainMs = 250;
/** A promotion of a standby takes this long: until then calls wait for it. */
const awayAfterMs = 4_000;
const copyEveryMs = 2_000;
/** Of the time at most, where copying takes long. */
const copyingShareMax = 0.02;

/**
 * Asks the database again and again whether it can be reached, and keeps a copy of what it holds.
 * While it is away nobody waits for it: calls are refused at once, and reads may use the copy.
 */
export class Reachability {
  readonly #open: () => Promise<Connection>;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  #connection: Connection | null = null;
  #copy: LastKnown | null = null;
  #copyAfterMs = 0;
  /** Monotonic time of the first failure since the last success. */
  #failingSinceMs: number | null = null;
  #failure: DomainError | null = null;

  private constructor(open: () => Promise<Connection>, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** Begins with the first copy. */
  static async start(open: () => Promise<Connection>, clock: Clock): Promise<Reachability> {
    const started = new Reachability(open, clock);
    await started.#takeCopy(await started.#ask());
    void started.#watch();
    return started;
  }

  /** The copy, while the database is away. */
  lastKnown(): LastKnown | null {
    return this.isAway ? this.#copy : null;
  }

  /** Throws `store-unavailable` while the database is away. */
  require(): void {
    if (!this.isAway) return;
    throw new DomainError("store-unavailable", this.#failure?.message ?? "the database is away");
  }

  close(): void {
    this.#ended.abort();
  }

  /** True once it has not answered for a while. */
  get isAway(): boolean {
    return (
      this.#failingSinceMs !== null &&
      this.#clock.monotonicMs() - this.#failingSinceMs >= awayAfterMs
    );
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const begunMs = this.#clock.monotonicMs();
      try {
        const connection = await this.#ask();
        this.#failingSinceMs = null;
        // A copy that cannot be made says nothing of the database: the one before it is kept.
        if (this.#clock.monotonicMs() >= this.#copyAfterMs)
          await this.#takeCopy(connection).catch(() => undefined);
      } catch (error) {
        this.#failure = databaseError(error);
        this.#failingSinceMs ??= begunMs;
        this.#connection?.close();
        this.#connection = null;
      }
      const pauseMs = this.#failingSinceMs === null ? askEveryMs : askAgainMs;
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    this.#connection?.close();
  }

  async #ask(): Promise<Connection> {
    const connection = (this.#connection ??= await this.#open());
    const late = setTimeout(() => connection.close(), awayAfterMs);
    try {
      await connection.execute("select 1");
      return connection;
    } finally {
      clearTimeout(late);
    }
  }

  async #takeCopy(connection: Connection): Promise<void> {
    const begunMs = this.#clock.monotonicMs();
    this.#copy = await copyIntoMemory(
      (queries) => connection.snapshot(queries),
      this.#clock.nowMs(),
    );
    const endedMs = this.#clock.monotonicMs();
    this.#copyAfterMs = endedMs + Math.max(copyEveryMs, (endedMs - begunMs) / copyingShareMax);
  }
}
