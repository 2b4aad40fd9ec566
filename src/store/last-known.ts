import Database from "better-sqlite3";
import type { LastKnown } from "../control/index.ts";
import { columnsOf, stateQueries, type StateTable } from "./copy-rows.ts";
import type { Query } from "./statement.ts";
import { Connection, migrate } from "./sqlite/database.ts";
import { Reader } from "./sqlite/reader.ts";
import { putSession } from "./tables/accounts.ts";
import { readRevision } from "./tables/revision.ts";
import { viewThrough } from "./transaction.ts";

/** Of no use to somebody who only reads, or secret. */
const leftOut: ReadonlySet<StateTable> = new Set(["answers", "join_tokens", "sealed_keys"]);
const copied = stateQueries.filter(({ table }) => !leftOut.has(table));

/**
 * Copies everything but the logs into memory, as it is at one moment: what an Admin Node Manager
 * shows while its database cannot be reached. `snapshot` gives the rows of several queries from one
 * snapshot of the source. The memory is freed with the last reference.
 */
export async function copyIntoMemory(
  snapshot: (queries: readonly Query[]) => Promise<unknown[][]>,
  asOfMs: number,
): Promise<LastKnown> {
  const rows = await snapshot(copied.map(({ query }) => query));
  const database = new Database(":memory:");
  migrate(database, asOfMs);
  database.exec("delete from counters");
  database.transaction(() => {
    for (const [index, { table }] of copied.entries())
      insertAll(database, table, rows[index] ?? []);
  })();
  const connection = new Connection(database);
  const reader = new Reader(connection);
  return {
    asOfMs,
    view: viewThrough(reader),
    revision: await readRevision(reader),
    keepSession: (session) => void connection.run(putSession(session)),
  };
}

function insertAll(database: Database.Database, table: StateTable, rows: readonly unknown[]): void {
  const columns = columnsOf(table);
  const places = columns.map(() => "?").join();
  const insert = database.prepare(`insert into ${table} (${columns.join()}) values (${places})`);
  for (const row of rows as Readonly<Record<string, unknown>>[])
    insert.run(columns.map((column) => row[column]));
}
