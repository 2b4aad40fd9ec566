import { DomainError } from "../../kit/index.ts";
import {
  createMigrationsTable,
  migrations,
  recordMigration,
  type ColumnTypes,
} from "../migrations.ts";
import type { Connection } from "./connection.ts";
import { databaseError, SerializationFailure } from "./errors.ts";

const postgresqlTypes: ColumnTypes = { bytes: "bytea" };

const attemptsMax = 5;

/**
 * Brings the schema up to date. Who comes second waits for the first, or finds at the next attempt
 * the table that the first made meanwhile. Throws `state-corrupt` for a schema of a later version.
 */
export async function migrateAmongOthers(connection: Connection, nowMs: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await migrate(connection, nowMs);
    } catch (error) {
      const failure = databaseError(error);
      if (!(failure instanceof SerializationFailure) || attempt === attemptsMax) throw failure;
    }
  }
}

/** The same, in one transaction. */
async function migrate(connection: Connection, nowMs: number): Promise<void> {
  await connection.execute("begin");
  try {
    await connection.execute(createMigrationsTable);
    await connection.execute("lock table schema_migrations in exclusive mode");
    const [row] = await connection.execute("select max(number) as number from schema_migrations");
    const applied = Number(row?.["number"] ?? 0);
    if (applied > migrations.length)
      throw new DomainError(
        "state-corrupt",
        `the database has schema ${applied}, this version knows up to ${migrations.length}: run the version that wrote it, or a later one`,
      );
    for (const [index, { title, statements }] of migrations.entries()) {
      if (index < applied) continue;
      for (const sql of statements(postgresqlTypes)) await connection.execute(sql);
      await connection.run(recordMigration({ number: index + 1, title, appliedAtMs: nowMs }));
    }
    await connection.execute("commit");
  } catch (error) {
    await connection.execute("rollback").catch(() => undefined);
    throw error;
  }
}
