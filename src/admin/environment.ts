import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import { DomainError, type Rng } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import {
  AgreedClock,
  checkPolicy,
  defaultPolicy,
  policyWith,
  type ControlEnvironment,
  type Policy,
  type TrustKey,
} from "../control/index.ts";
import { nodeCryptoPort } from "../keys/index.ts";
import {
  databaseTimeMs,
  moveToPostgresql,
  openPostgresqlStore,
  openSqliteStore,
  SwitchableStore,
  type MovedStore,
} from "../store/index.ts";
import { FileAuthorityKeys } from "./authority-keys.ts";
import { openDatabaseAccess, usesDatabase } from "./database.ts";
import { LeafLifetime } from "./openssl-config.ts";
import { keepingKeys } from "./idempotency.ts";
import { machineClock } from "./machine-clock.ts";
import { passwordHasher } from "./passwords.ts";

const rng: Rng = { bytes: (length) => new Uint8Array(randomBytes(length)) };

/** What the use cases work with on a home folder, and how to let go of it. */
export interface HomeEnvironment extends ControlEnvironment {
  readonly clock: AgreedClock;
  readonly authorityKeys: FileAuthorityKeys;
  /** What the operator says of the life of new leaves. */
  readonly lifetime: LeafLifetime;
  readonly leafLifetimeSeconds: () => number;
  /** True while the lock on the home folder keeps every other Admin Node Manager from this store. */
  isStoreOurs(): boolean;
  /** What the database's clock says; null: the store is embedded. */
  databaseNowMs(): Promise<number | null>;
  /** Moves the store into the database of the home's settings while it is in use. */
  moveStore(): Promise<MovedStore>;
  close(): Promise<void>;
}

/** Opens the store and the keys of a home folder, whose lock the caller holds. */
export async function openEnvironment(
  layout: HomeLayout,
  nodeManagerId: string,
  trustKey: TrustKey,
): Promise<HomeEnvironment> {
  const policy = policyFromEnvironment();
  const lifetime = new LeafLifetime(layout);
  // A certificate that is dated by more than that is not valid yet for others, or lasts too long.
  const clock = new AgreedClock(machineClock, (policy.backdateSeconds * 1000) / 2);
  let isInDatabase = await usesDatabase(layout);
  const store = new SwitchableStore(
    isInDatabase
      ? await openPostgresqlStore({
          access: await openDatabaseAccess(layout),
          writer: nodeManagerId,
          clock,
        })
      : await openSqliteStore({ folder: layout.store, writer: nodeManagerId, clock }),
  );
  const authorityKeys = new FileAuthorityKeys(layout, clock);
  return {
    store: keepingKeys(store, clock),
    clock,
    rng,
    authorityKeys,
    trustKey,
    crypto: nodeCryptoPort,
    passwords: passwordHasher,
    policy,
    lifetime,
    leafLifetimeSeconds: () => lifetime.now().seconds ?? policy.leafLifetimeSeconds,
    isStoreOurs: () => !isInDatabase,
    databaseNowMs: async () =>
      isInDatabase ? databaseTimeMs(await openDatabaseAccess(layout)) : null,
    moveStore: async () => {
      if (isInDatabase)
        throw new DomainError("conflict", "the domain's store is in a database already");
      const moved = await moveStore(layout, { writer: nodeManagerId, store, clock });
      isInDatabase = true;
      return moved;
    },
    async close() {
      await store.close();
      await authorityKeys.close();
    },
  };
}

async function moveStore(
  layout: HomeLayout,
  of: { readonly writer: string; readonly store: SwitchableStore; readonly clock: AgreedClock },
): Promise<MovedStore> {
  const { writer, store, clock } = of;
  const access = await openDatabaseAccess(layout);
  const moved = await moveToPostgresql({
    folder: layout.store,
    access,
    clock,
    hold: (copyRest) =>
      store.switchTo(async () => {
        const identity = await copyRest();
        const database = await openPostgresqlStore({
          // Remembered only when everything is there: from then on the database is the store.
          access: { ...access, known: () => access.known() ?? identity },
          writer,
          clock,
        });
        await access.remember(identity);
        return database;
      }),
  });
  // Nobody is to take it for the store again.
  const file = `${layout.store}/gatehouse.db`;
  await rename(file, `${file}.moved`);
  return moved;
}

/** The policy, with numbers replaced by `GATEHOUSE_POLICY` (JSON): how tests make weeks pass. */
function policyFromEnvironment(): Policy {
  const text = process.env["GATEHOUSE_POLICY"];
  const policy =
    text === undefined ? defaultPolicy : policyWith(JSON.parse(text) as Partial<Policy>);
  checkPolicy(policy);
  return policy;
}
