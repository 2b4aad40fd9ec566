import { setTimeout as pause } from "node:timers/promises";
import { isDomainError } from "../../kit/index.ts";
import type { Executor } from "../executor.ts";
import type { Query } from "../statement.ts";
import type { Connection } from "./connection.ts";
import { databaseError } from "./errors.ts";

const connectionsMax = 4;
/** As long as a write waits. */
const waitMsMax = 6_000;
const retryPauseMsMax = 250;

/** Reads what is committed, on a few connections of its own that are opened when they are needed. */
export class Readers implements Executor {
  readonly #open: () => Promise<Connection>;
  readonly #isAway: () => boolean;
  readonly #idle: Connection[] = [];
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;
  #isClosed = false;

  /** `isAway`: the database is known to be away, so that waiting for it is of no use. */
  constructor(open: () => Promise<Connection>, isAway: () => boolean) {
    this.#open = open;
    this.#isAway = isAway;
  }

  rows<Row>(query: Query<Row>): Promise<Row[]> {
    return this.#with((connection) => connection.rows(query));
  }

  snapshot<Rows extends readonly unknown[]>(queries: {
    readonly [I in keyof Rows]: Query<Rows[I]>;
  }): Promise<{ [I in keyof Rows]: Rows[I][] }> {
    return this.#with((connection) => connection.snapshot(queries as readonly Query[])) as Promise<{
      [I in keyof Rows]: Rows[I][];
    }>;
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle) connection.close();
  }

  /** A read that finds no database is repeated until that is there again, as after a promotion, or away. */
  async #with<T>(read: (connection: Connection) => Promise<T>): Promise<T> {
    const endMs = performance.now() + waitMsMax;
    for (;;) {
      try {
        return await this.#once(read);
      } catch (error) {
        if (!isDomainError(error, "store-unavailable") || this.#isClosed) throw error;
        if (this.#isAway() || performance.now() > endMs) throw error;
      }
      await pause(Math.random() * retryPauseMsMax);
    }
  }

  async #once<T>(read: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#inUse >= connectionsMax)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#inUse += 1;
    let connection: Connection | undefined;
    try {
      connection = this.#takeIdle() ?? (await this.#open());
      return await read(connection);
    } catch (error) {
      connection?.close();
      throw databaseError(error);
    } finally {
      this.#inUse -= 1;
      if (connection?.isLost === false) this.#giveBack(connection);
      this.#waiting.shift()?.();
    }
  }

  #takeIdle(): Connection | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop())
      if (!idle.isLost) return idle;
    return undefined;
  }

  #giveBack(connection: Connection): void {
    if (this.#isClosed) connection.close();
    else this.#idle.push(connection);
  }
}
