import { join } from "node:path";
import type Database from "better-sqlite3";
import type { Clock } from "../kit/index.ts";
import { restoredNumberGap, restoredVersionGap } from "../domain/index.ts";
import { StoreCopy, type CopyTarget } from "./copy-store.ts";
import type { Executor } from "./executor.ts";
import { databaseError } from "./postgresql/errors.ts";
import { openPrimary, type DatabaseAccess } from "./postgresql/primary.ts";
import { Connection, migrate, openForReading, openForWriting } from "./sqlite/database.ts";
import { storeError } from "./sqlite/errors.ts";
import { Reader } from "./sqlite/reader.ts";

/** Which store is copied: the embedded one of a folder, or a database. */
export type BackupSource = { readonly folder: string } | { readonly access: DatabaseAccess };

/**
 * Copies a store as it is at one moment into a new embedded one, `file`, while it is in use; every
 * link of its logs is verified on the way. Throws `audit-broken`, `store-unavailable`, `disk-full`.
 */
export async function backUpStore(source: BackupSource, file: string, clock: Clock): Promise<void> {
  const target = openForWriting(file);
  try {
    migrate(target, clock.nowMs());
    await ("folder" in source
      ? copyEmbedded(source.folder, target)
      : copyDatabase(source.access, target));
    // One file is to hold everything.
    target.pragma("journal_mode = DELETE");
  } catch (error) {
    throw storeError(error, file);
  } finally {
    target.close();
  }
}

async function copyEmbedded(folder: string, target: Database.Database): Promise<void> {
  const source = openForReading(join(folder, "gatehouse.db"));
  try {
    const connection = new Connection(source);
    connection.execute("begin");
    await copyAll(new Reader(connection), target);
    connection.rollBack();
  } finally {
    source.close();
  }
}

async function copyDatabase(access: DatabaseAccess, target: Database.Database): Promise<void> {
  const connection = await openPrimary(access);
  try {
    await connection.execute("begin isolation level repeatable read read only");
    await copyAll(
      {
        rows: (query) => connection.rows(query),
        snapshot: () => Promise.reject(new Error("the whole copy is one snapshot")),
      },
      target,
    );
    await connection.execute("commit");
  } catch (error) {
    throw databaseError(error);
  } finally {
    connection.close();
  }
}

async function copyAll(source: Executor, target: Database.Database): Promise<void> {
  const copy = new StoreCopy(source, embeddedTarget(target));
  await copy.prepareTarget();
  await copy.copyLogs();
  await copy.finish();
}

/** SQLite takes the numbered placeholders of PostgreSQL by their order. */
function embeddedTarget(db: Database.Database): CopyTarget {
  return {
    async execute(sql, values) {
      if (values === undefined && !sql.startsWith("select")) {
        db.exec(sql);
        return [];
      }
      const statement = db.prepare<unknown[], Record<string, unknown>>(
        sql.replaceAll(/\$\d+/g, "?"),
      );
      if (statement.reader) return statement.all(values ?? []);
      statement.run(values ?? []);
      return [];
    },
  };
}

/**
 * Makes a copied store one that goes on: nothing that was numbered after the copy was made gets a
 * number again, versions are above all that hosts may have seen, and what was of its moment is gone:
 * leases, logins, join tokens (one may have been used since), answers, observations.
 */
export function continueStore(folder: string): void {
  const file = join(folder, "gatehouse.db");
  const db = openForWriting(file);
  try {
    db.transaction(() => {
      db.exec(
        `update counters set value = value + ${restoredNumberGap} where name not in ('revision', 'schema_usable_from')`,
      );
      db.exec(`update counters set value = value + ${restoredVersionGap} where name = 'revision'`);
      db.exec(`update hosts set document_version = document_version + ${restoredVersionGap}`);
      db.exec(`update credentials set last_sequence = last_sequence + ${restoredNumberGap}`);
      db.exec("delete from sessions where expires_at_ms is not null");
      for (const table of [
        "leases",
        "join_tokens",
        "answers",
        "host_observations",
        "relying_party_observations",
      ])
        db.exec(`delete from ${table}`);
    }).immediate();
  } catch (error) {
    throw storeError(error, file);
  } finally {
    db.close();
  }
}
