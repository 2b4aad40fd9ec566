import { closeSync, existsSync, openSync } from "node:fs";
import Database from "better-sqlite3";
import {
  Kysely,
  DummyDriver,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { DomainError } from "../../kit/index.ts";
import {
  createMigrationsTable,
  pendingMigrations,
  recordMigration,
  recordUsableFrom,
  selectApplied,
  selectUsableFrom,
  type ColumnTypes,
} from "../migrations.ts";
import type { Schema } from "../schema.ts";
import type { OpenTransaction } from "../logical-transaction.ts";
import type { Compiler, Query } from "../statement.ts";
import { storeError } from "./errors.ts";

const sqliteTypes: ColumnTypes = { bytes: "blob" };

/** Kysely as a compiler only: the driver of this dialect runs nothing. */
export const sqliteCompiler: Compiler = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** How long a statement waits for another process's lock; only copies for backups ever hold one. */
const busyTimeoutMs = 5_000;

/**
 * Pages in the log at which a commit copies them into the database itself (64 MB), should the
 * checkpoint thread not have kept up.
 */
const checkpointPagesMax = 16_384;
const cacheKilobytes = 16_384;

/**
 * Opens the database for the one writer, creating it where it is missing, readable by its owner
 * only. `synchronous = NORMAL` syncs at checkpoints, in the order that keeps the file intact; the
 * sync that makes a commit durable is `WalSync`'s, which does not hold up the event loop.
 */
export function openForWriting(file: string): Database.Database {
  if (!existsSync(file)) closeSync(openSync(file, "ax", 0o600));
  const db = new Database(file, { timeout: busyTimeoutMs });
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = NORMAL");
  db.pragma(`wal_autocheckpoint = ${checkpointPagesMax}`);
  db.pragma(`cache_size = -${cacheKilobytes}`);
  db.pragma("foreign_keys = ON");
  db.pragma("trusted_schema = OFF");
  return db;
}

/** Opens the database for reads of what is committed. */
export function openForReading(file: string): Database.Database {
  return new Database(file, { readonly: true, timeout: busyTimeoutMs });
}

/** Brings the schema up to date in one transaction. Throws `state-corrupt` for one that only later versions can use. */
export function migrate(db: Database.Database, nowMs: number): void {
  db.transaction(() => {
    db.exec(createMigrationsTable);
    const connection = new Connection(db);
    for (const { number, migration } of pendingMigrations(schemaOf(db), db.name)) {
      const { title, usableFrom } = migration;
      for (const sql of migration.statements(sqliteTypes)) db.exec(sql);
      connection.run(recordMigration({ number, title, appliedAtMs: nowMs }));
      connection.run(recordUsableFrom({ usableFrom }));
    }
  }).immediate();
}

function schemaOf(db: Database.Database): { applied: number; usableFrom: number } {
  const last = db.prepare<[], { number: number | null }>(selectApplied).get();
  const applied = last?.number ?? 0;
  if (applied === 0) return { applied, usableFrom: 0 };
  const counter = db.prepare<[], { value: number }>(selectUsableFrom).get();
  return { applied, usableFrom: counter?.value ?? applied };
}

/** A connection with its prepared statements, each prepared once. */
export class Connection implements OpenTransaction {
  readonly #db: Database.Database;
  readonly #prepared = new Map<string, Database.Statement<unknown[]>>();

  constructor(db: Database.Database) {
    this.#db = db;
  }

  get file(): string {
    return this.#db.name;
  }

  mapped(error: unknown): DomainError {
    return storeError(error, this.file);
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  /** The rows of a query; none of a change that returns none. */
  rows<Row>({ statement, values }: Query<Row>): Row[] {
    const { sql, values: bound } = statement.bind(sqliteCompiler, values);
    const prepared = this.#prepare(sql);
    if (prepared.reader) return prepared.all(bound) as Row[];
    prepared.run(bound);
    return [];
  }

  /** Runs a change; returns how many rows it changed. */
  run({ statement, values }: Query): number {
    const { sql, values: bound } = statement.bind(sqliteCompiler, values);
    return this.#prepare(sql).run(bound).changes;
  }

  /** Results of several queries from one snapshot. */
  snapshot(queries: readonly Query[]): unknown[][] {
    return this.#db.transaction(() => queries.map((query) => this.rows(query)))();
  }

  /** Runs a command of the transaction language: begin, savepoint, commit. */
  execute(command: string): void {
    this.#prepare(command).run();
  }

  /** Rolls back the open transaction, if there is one. */
  rollBack(): void {
    if (this.#db.inTransaction) this.#db.exec("rollback");
  }

  close(): void {
    this.#db.close();
  }

  #prepare(sql: string): Database.Statement<unknown[]> {
    let prepared = this.#prepared.get(sql);
    if (prepared === undefined) {
      prepared = this.#db.prepare<unknown[]>(sql);
      this.#prepared.set(sql, prepared);
    }
    return prepared;
  }
}
