import Database from "better-sqlite3";
import type { Clock } from "../../src/kit/index.ts";
import type { AuditEntry, Store, StoreTransaction, StoreView } from "../../src/control/index.ts";
import { readRevision } from "../../src/store/tables/revision.ts";
import { noting, viewThrough, writing } from "../../src/store/transaction.ts";
import { Connection, migrate } from "../../src/store/sqlite/database.ts";
import { LogicalTransaction } from "../../src/store/logical-transaction.ts";
import { Reader } from "../../src/store/sqlite/reader.ts";

const transactionMsMax = 10_000;
const writer = "nodemanager-1";

/**
 * The real tables over SQLite in memory: nothing is synced, and reads and transactions take turns.
 * For tests that make thousands of stores; group commit and durability are tested on the real one.
 */
export class MemoryStore implements Store {
  readonly #database = new Database(":memory:");
  readonly #connection: Connection;
  readonly #reader: Reader;
  readonly #view: StoreView;
  readonly #clock: Clock;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock) {
    migrate(this.#database, clock.nowMs());
    // No links are made here, so that the writer is not known by its last one.
    this.#database.exec(`insert into chain_heads values ('${writer}', 0, '')`);
    this.#connection = new Connection(this.#database);
    this.#reader = new Reader(this.#connection);
    this.#view = viewThrough(this.#reader);
    this.#clock = clock;
  }

  read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    return this.#inTurn(() => work(this.#view));
  }

  write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#transaction(writing(audit, this.#clock, work));
  }

  note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#transaction(noting(work));
  }

  revision(): Promise<number> {
    return this.#inTurn(() => readRevision(this.#reader));
  }

  /** Nobody waits here: whoever asks looks again when it wants to. */
  waitForRevision(): Promise<number> {
    return this.revision();
  }

  /** It is never away. */
  lastKnown(): null {
    return null;
  }

  async close(): Promise<void> {
    await this.#turn;
    this.#database.close();
  }

  #transaction<T>(work: (transaction: LogicalTransaction) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const transaction = new LogicalTransaction(this.#connection, writer);
      this.#connection.execute("begin immediate");
      try {
        const value = await transaction.within("write", transactionMsMax, () => work(transaction));
        this.#connection.execute("commit");
        return value;
      } catch (error) {
        this.#connection.rollBack();
        throw error;
      }
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
