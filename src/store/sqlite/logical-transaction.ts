import { DomainError } from "../../kit/index.ts";
import type { TransactionExecutor } from "../executor.ts";
import type { Bound, Query } from "../statement.ts";
import { sqliteCompiler } from "./database.ts";
import type { WriterChannel } from "./writer-channel.ts";

/** One transaction at work in the writer thread. */
export class LogicalTransaction implements TransactionExecutor {
  readonly writer: string;
  readonly #channel: WriterChannel;
  #over: DomainError | undefined;
  #raisesFeed = false;

  constructor(channel: WriterChannel, writer: string) {
    this.#channel = channel;
    this.writer = writer;
  }

  get raisesFeed(): boolean {
    return this.#raisesFeed;
  }

  /**
   * Runs `work` with this transaction, which cannot be used any more afterwards. Rejects with
   * `timeout` if it has not ended after `deadlineMs`.
   */
  async within<T>(
    title: string,
    deadlineMs: number,
    work: (executor: TransactionExecutor) => Promise<T>,
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          new DomainError(
            "timeout",
            `the transaction ${title} did not end within ${deadlineMs} ms and was rolled back: try again`,
            { context: { title } },
          ),
        );
      }, deadlineMs);
    });
    try {
      return await Promise.race([work(this), deadline]);
    } finally {
      clearTimeout(timer);
      this.#over = new DomainError(
        "internal",
        `the transaction ${title} is over: nothing can be read or written with it any more`,
        { context: { title } },
      );
    }
  }

  async rows<Row>(query: Query<Row>): Promise<Row[]> {
    const [rows] = await this.#ask([query]);
    return rows as Row[];
  }

  async snapshot<Rows extends readonly unknown[]>(queries: {
    readonly [I in keyof Rows]: Query<Rows[I]>;
  }): Promise<{ [I in keyof Rows]: Rows[I][] }> {
    return (await this.#ask(queries)) as { [I in keyof Rows]: Rows[I][] };
  }

  run(query: Query, mustChange?: string): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    this.#channel.send({ do: "run", bound: bind(query), mustChange: mustChange ?? null });
    return Promise.resolve();
  }

  raiseFeed(): void {
    this.#raisesFeed = true;
  }

  #ask(queries: readonly Query[]): Promise<readonly (readonly unknown[])[]> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    return this.#channel.rows(queries.map(bind));
  }
}

/** Bytes are copied out of larger buffers, which would be sent to the thread whole. */
function bind({ statement, values }: Query): Bound {
  const bound = statement.bind(sqliteCompiler, values);
  for (const [index, value] of bound.values.entries()) {
    if (value instanceof Uint8Array && value.byteLength < value.buffer.byteLength)
      bound.values[index] = new Uint8Array(value);
  }
  return bound;
}
