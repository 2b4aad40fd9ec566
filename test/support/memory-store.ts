import Database from "better-sqlite3";
import { assert, type Clock } from "../../src/kit/index.ts";
import type { AuditEntry, Store, StoreTransaction, StoreView } from "../../src/control/index.ts";
import { appendAudit } from "../../src/store/tables/audit.ts";
import { raiseRevision, readRevision } from "../../src/store/tables/revision.ts";
import { transactionThrough, viewThrough } from "../../src/store/transaction.ts";
import { Connection, migrate } from "../../src/store/sqlite/database.ts";
import { LogicalTransaction } from "../../src/store/sqlite/logical-transaction.ts";
import { Reader } from "../../src/store/sqlite/reader.ts";

const transactionMsMax = 10_000;

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
    this.#connection = new Connection(this.#database);
    this.#reader = new Reader(this.#connection);
    this.#view = viewThrough(this.#reader);
    this.#clock = clock;
  }

  read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    return this.#inTurn(() => work(this.#view));
  }

  write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#transaction(async (transaction) => {
      const value = await work(transactionThrough(transaction));
      await transaction.run(appendAudit(transaction.writer, this.#clock.nowMs(), audit));
      if (transaction.raisesFeed) await transaction.run(raiseRevision({}));
      return value;
    });
  }

  note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#transaction(async (transaction) => {
      const value = await work(transactionThrough(transaction));
      assert(!transaction.raisesFeed, "desired state is changed with an audit record");
      return value;
    });
  }

  revision(): Promise<number> {
    return this.#inTurn(() => readRevision(this.#reader));
  }

  /** Nobody waits here: whoever asks looks again when it wants to. */
  waitForRevision(): Promise<number> {
    return this.revision();
  }

  async close(): Promise<void> {
    await this.#turn;
    this.#database.close();
  }

  #transaction<T>(work: (transaction: LogicalTransaction) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      const transaction = new LogicalTransaction(this.#connection, "nodemanager-1");
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
