import {
  createMigrationsTable,
  pendingMigrations,
  recordMigration,
  recordUsableFrom,
  selectApplied,
  selectUsableFrom,
  type ColumnTypes,
} from "../migrations.ts";
import type { Connection } from "./connection.ts";
import { databaseError, SerializationFailure } from "./errors.ts";

const postgresqlTypes: ColumnTypes = { bytes: "bytea" };

const attemptsMax = 5;

/**
 * Brings the schema up to date. Who comes second waits for the first, or finds at the next attempt
 * the table that the first made meanwhile. Throws `state-corrupt` for a schema that only
 * later versions can use.
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
    const schema = await schemaOf(connection);
    for (const { number, migration } of pendingMigrations(schema, "the database")) {
      const { title, usableFrom } = migration;
      for (const sql of migration.statements(postgresqlTypes)) await connection.execute(sql);
      await connection.run(recordMigration({ number, title, appliedAtMs: nowMs }));
      await connection.run(recordUsableFrom({ usableFrom }));
    }
    await connection.execute("commit");
  } catch (error) {
    await connection.execute("rollback").catch(() => undefined);
    throw error;
  }
}

async function schemaOf(connection: Connection): Promise<{ applied: number; usableFrom: number }> {
  const [last] = await connection.execute(selectApplied);
  const applied = Number(last?.["number"] ?? 0);
  if (applied === 0) return { applied, usableFrom: 0 };
  const [counter] = await connection.execute(selectUsableFrom);
  return { applied, usableFrom: Number(counter?.["value"] ?? applied) };
}
