import type { Executor } from "../executor.ts";
import type { Query } from "../statement.ts";
import type { Connection } from "./database.ts";

/** Reads what is committed, on a connection of its own in the calling thread. */
export class Reader implements Executor {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async rows<Row>(query: Query<Row>): Promise<Row[]> {
    return this.#mapped(() => this.#connection.rows(query));
  }

  async snapshot<Rows extends readonly unknown[]>(queries: {
    readonly [I in keyof Rows]: Query<Rows[I]>;
  }): Promise<{ [I in keyof Rows]: Rows[I][] }> {
    return this.#mapped(() => this.#connection.snapshot(queries as readonly Query[])) as {
      [I in keyof Rows]: Rows[I][];
    };
  }

  #mapped<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#connection.mapped(error);
    }
  }
}
