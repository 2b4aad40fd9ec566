import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { AuthorityId } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import type { RouteResponse } from "../contract/index.ts";
import {
  ensureFolder,
  privateKeyToPem,
  unseal,
  writeFileAtomic,
  type KeyPair,
} from "../keys/index.ts";
import { readStateFile } from "../transport/index.ts";

/** Where the password of the domain's database comes from on this host. */
export interface DatabaseLogin {
  readonly passwordFile?: string;
  readonly passwordExec?: readonly string[];
}

/** True once the home has what an Admin Node Manager needs besides its certificate. */
export function hasAdminSecrets(layout: HomeLayout): boolean {
  return existsSync(layout.databaseIdentity) && existsSync(layout.trustKey);
}

/** Unseals the trust-signing key, and writes where the domain's store is; the identity of that comes last. */
export async function installAdminSecrets(
  layout: HomeLayout,
  { databaseUrl, databaseIdentity, sealedTrustKey }: RouteResponse<"takeAdminSecrets">,
  sealing: KeyPair,
  login: DatabaseLogin,
): Promise<void> {
  const trustKeyPem = await unseal(sealedTrustKey, sealing.privateKey);
  for (const folder of [layout.authorityKeys, layout.store]) await ensureFolder(folder, 0o700);
  const secret = { mode: 0o600 };
  await writeFileAtomic(layout.sealingKey, privateKeyToPem(sealing.privateKey), secret);
  await writeFileAtomic(layout.trustKey, trustKeyPem, secret);
  const settings = { ...login, url: databaseUrl };
  await writeFileAtomic(layout.databaseSettings, `${JSON.stringify(settings, null, 2)}\n`, secret);
  await writeFileAtomic(layout.databaseIdentity, `${JSON.stringify(databaseIdentity)}\n`, secret);
}

/** What the home says of how to log in to the database, to become an Admin Node Manager by. */
export async function readDatabaseLogin(layout: HomeLayout): Promise<DatabaseLogin> {
  return (await readStateFile<DatabaseLogin>(layout.databaseSettings)) ?? {};
}

/**
 * Deletes what only an Admin Node Manager is to have; of the keys of authorities those stay that
 * nobody else has. Returns the names of the key files, also of a try before whose end was not
 * recorded: `forgetRemoved` says that it was.
 */
export async function removeAdminSecrets(
  layout: HomeLayout,
  keepKeysOf: readonly AuthorityId[],
): Promise<string[]> {
  const kept = new Set(
    keepKeysOf.flatMap((id) =>
      [layout.authorityKey(id), layout.authorityKeyInToken(id)].map((path) => basename(path)),
    ),
  );
  const names = await readdir(layout.authorityKeys).catch((): string[] => []);
  const there = names.filter((name) => !kept.has(name));
  const before = (await readStateFile<string[]>(removedFile(layout))) ?? [];
  const removed = [...new Set([...before, ...there])].toSorted();
  await writeFileAtomic(removedFile(layout), JSON.stringify(removed), { mode: 0o600 });
  for (const name of there)
    await rm(join(layout.authorityKeys, name), { recursive: true, force: true });
  for (const path of [layout.databaseIdentity, layout.databaseSettings, layout.topologyJson])
    await rm(path, { force: true });
  return removed;
}

/** What was removed is in the audit log. */
export function forgetRemoved(layout: HomeLayout): Promise<void> {
  return rm(removedFile(layout), { force: true });
}

const removedFile = ({ run }: HomeLayout): string => `${run}/removed-keys.json`;
