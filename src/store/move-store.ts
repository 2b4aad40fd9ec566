import { join } from "node:path";
import { assert, type Clock } from "../kit/index.ts";
import { StoreCopy } from "./copy-store.ts";
import { databaseError } from "./postgresql/errors.ts";
import { migrateAmongOthers } from "./postgresql/migrate.ts";
import { openPrimary, type DatabaseAccess, type DatabaseIdentity } from "./postgresql/primary.ts";
import { Connection, openForReading, openForWriting } from "./sqlite/database.ts";
import { Reader } from "./sqlite/reader.ts";

/** What was moved, and for how long (milliseconds) everybody had to wait. */
export interface MovedStore {
  readonly records: number;
  readonly issuances: number;
  readonly heldMs: number;
}

/**
 * Copies the embedded store of a home folder, which is in use, into an empty PostgreSQL database.
 * `hold` runs the last part while nobody writes, and with it what makes the database the store of
 * this home. Until then the embedded store is the truth, whatever happens; an interrupted copy is
 * begun anew. Throws `already-exists`, `store-unavailable`, `audit-broken`.
 */
export async function moveToPostgresql(of: {
  readonly folder: string;
  readonly access: DatabaseAccess;
  readonly clock: Clock;
  readonly hold: (copyRest: () => Promise<DatabaseIdentity>) => Promise<void>;
}): Promise<MovedStore> {
  const found: DatabaseIdentity[] = [];
  const target = await openPrimary({
    ...of.access,
    remember: async (identity) => void found.push(identity),
  });
  const file = join(of.folder, "gatehouse.db");
  const source = openForReading(file);
  try {
    await migrateAmongOthers(target, of.clock.nowMs());
    const copy = new StoreCopy(new Reader(new Connection(source)), target);
    await copy.prepareTarget();
    await copy.copyLogs();
    const begunMs = of.clock.monotonicMs();
    await of.hold(async () => {
      await copy.finish();
      const [identity] = found;
      assert(identity !== undefined, "a database that was opened has an identity");
      return identity;
    });
    const heldMs = Math.round(of.clock.monotonicMs() - begunMs);
    source.close();
    // Whoever closes it last copies its log into it, if he may write: the old file is whole then.
    openForWriting(file).close();
    return { ...copy.counts, heldMs };
  } catch (error) {
    throw databaseError(error);
  } finally {
    source.close();
    target.close();
  }
}
