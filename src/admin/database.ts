import { rm } from "node:fs/promises";
import { describeError, DomainError } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { readConfiguredSecret, writeFileAtomic } from "../keys/index.ts";
import {
  databaseTimeMs,
  parseDatabaseUrl,
  type DatabaseAccess,
  type DatabaseIdentity,
} from "../store/index.ts";
import { readStateFile } from "../transport/index.ts";
import { requireAdminHome } from "./admin-home.ts";

/** `conf/database.json`: where the database is, and where its password comes from. */
interface DatabaseSettings {
  /** `postgresql://USER@HOST[:PORT][,HOST[:PORT]]/DATABASE`, without a password. */
  readonly url: string;
  /** File whose first line is the password, readable by its owner only. */
  readonly passwordFile?: string;
  /** Program and arguments; the first line that it prints is the password. */
  readonly passwordExec?: readonly string[];
}

/**
 * Writes where the database is, for the Admin Node Manager of this home to find it there. Throws
 * `home-missing`, and `invalid-input` for a URL that cannot be used, or a password file that others
 * may read; `conflict` where the store is in a database.
 */
export async function saveDatabaseSettings(
  home: string,
  settings: DatabaseSettings,
): Promise<void> {
  const layout = homeLayout(home);
  await requireAdminHome(layout);
  if (await usesDatabase(layout))
    throw new DomainError(
      "conflict",
      `the domain's store is in a database already: ${layout.databaseSettings} says in which`,
    );
  parseDatabaseUrl(settings.url);
  await passwordOf(settings);
  await writeFileAtomic(layout.databaseSettings, `${JSON.stringify(settings, null, 2)}\n`, {
    mode: 0o600,
  });
}

/**
 * Writes how this home logs in to the database, for its Node Manager to find it when it becomes an
 * Admin Node Manager; a login that is there already stays where none is given. Returns what takes it
 * back. Throws as `passwordOf`.
 */
export async function saveDatabaseLogin(
  home: string,
  login: Omit<DatabaseSettings, "url">,
): Promise<() => Promise<void>> {
  const { databaseSettings } = homeLayout(home);
  const before = await readStateFile<object>(databaseSettings);
  if (before !== null && Object.keys(login).length === 0) return async () => {};
  await passwordOf(login);
  const write = (settings: object): Promise<void> =>
    writeFileAtomic(databaseSettings, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  await write(login);
  return () => (before === null ? rm(databaseSettings, { force: true }) : write(before));
}

/** Removes the settings of a database that has not become the store. */
export async function forgetDatabaseSettings(home: string): Promise<void> {
  const layout = homeLayout(home);
  if (!(await usesDatabase(layout))) await rm(layout.databaseSettings, { force: true });
}

/** Where the database is. Throws `not-found`, `state-corrupt`. */
export async function readDatabaseSettings(layout: HomeLayout): Promise<DatabaseSettings> {
  const settings = await readStateFile<DatabaseSettings>(layout.databaseSettings);
  if (settings !== null) return settings;
  throw new DomainError(
    "not-found",
    `${layout.databaseSettings} is missing: \`gatehouse store migrate --to URL\` writes it, or restore it from a backup`,
  );
}

/** Access to the database that the home's settings name. Throws `not-found`, `state-corrupt`. */
export async function openDatabaseAccess(layout: HomeLayout): Promise<DatabaseAccess> {
  const settings = await readDatabaseSettings(layout);
  let known = await readStateFile<DatabaseIdentity>(layout.databaseIdentity);
  return {
    address: parseDatabaseUrl(settings.url),
    password: () => passwordOf(settings),
    known: () => known,
    async remember(identity) {
      await writeFileAtomic(layout.databaseIdentity, `${JSON.stringify(identity)}\n`, {
        mode: 0o600,
      });
      known = identity;
    },
  };
}

/** Why this host cannot log in to the database that its home names, in one line; null: it can. */
export async function databaseLoginProblem(home: string): Promise<string | null> {
  try {
    await databaseTimeMs(await openDatabaseAccess(homeLayout(home)));
    return null;
  } catch (error) {
    return describeError(error);
  }
}

/** True once the store of this home is a database. */
export async function usesDatabase(layout: HomeLayout): Promise<boolean> {
  return (await readStateFile(layout.databaseIdentity)) !== null;
}

function passwordOf(of: Omit<DatabaseSettings, "url">): Promise<string | undefined> {
  const source = { file: of.passwordFile, exec: of.passwordExec };
  return readConfiguredSecret(source, "password", "store-unavailable");
}
