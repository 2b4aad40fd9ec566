import type { Executor } from "../executor.ts";
import type { Query } from "../statement.ts";
import { sqliteCompiler, type Connection } from "./database.ts";
import { storeError } from "./errors.ts";

/** Reads what is committed, on a connection of its own in the calling thread. */
export class Reader implements Executor {
  readonly #connection: Connection;
  readonly #file: string;

  constructor(connection: Connection, file: string) {
    this.#connection = connection;
    this.#file = file;
  }

  async rows<Row>({ statement, values }: Query<Row>): Promise<Row[]> {
    return this.#mapped(() =>
      this.#connection.rows(statement.bind(sqliteCompiler, values)),
    ) as Row[];
  }

  async snapshot<Rows extends readonly unknown[]>(queries: {
    readonly [I in keyof Rows]: Query<Rows[I]>;
  }): Promise<{ [I in keyof Rows]: Rows[I][] }> {
    const bound = (queries as readonly Query[]).map(({ statement, values }) =>
      statement.bind(sqliteCompiler, values),
    );
    return this.#mapped(() => this.#connection.snapshot(bound)) as { [I in keyof Rows]: Rows[I][] };
  }

  #mapped<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw storeError(error, this.#file);
    }
  }
}
