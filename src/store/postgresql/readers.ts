import type { Executor } from "../executor.ts";
import type { Query } from "../statement.ts";
import type { Connection } from "./connection.ts";
import { ConnectionLost, databaseError } from "./errors.ts";

const connectionsMax = 4;

/** Reads what is committed, on a few connections of its own that are opened when they are needed. */
export class Readers implements Executor {
  readonly #open: () => Promise<Connection>;
  readonly #idle: Connection[] = [];
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;
  #isClosed = false;

  constructor(open: () => Promise<Connection>) {
    this.#open = open;
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

  /** A read on a connection that was lost is repeated once, on a new one. */
  async #with<T>(read: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await this.#once(read);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      return this.#once(read);
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
