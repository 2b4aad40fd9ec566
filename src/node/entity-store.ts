import { createHash, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import { glob, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DomainError, isDomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import {
  ensureFolder,
  isEncryptedPem,
  KeyProtection,
  protectGenerations,
  protectKeyFile,
  readConfiguredSecret,
  readSecretFile,
  sealByPassphrase,
  unsealByPassphrase,
  writeFileAtomic,
  type Passphrases,
} from "../keys/index.ts";
import { protectPendingKeys } from "./pending-keys.ts";
import { readStateFile } from "../transport/index.ts";

/** `conf/entity-store.json`: where the passphrase of the Node Manager's keys comes from. */
export interface PassphraseSource {
  /** File whose first line it is, readable by its owner only. */
  readonly passphraseFile?: string;
  /** Program and arguments; the first line that it prints is the passphrase. */
  readonly passphraseExec?: readonly string[];
}

interface EntityStoreSettings extends PassphraseSource {
  /** While it is being changed: the one before, encrypted by the one that follows it. */
  readonly former?: string;
}

type Store = { readonly layout: HomeLayout; readonly keys: KeyProtection };

/**
 * How the keys in `conf/fed` of a home are protected: by the passphrase that its settings lead to,
 * or that was handed over. Throws `unauthenticated` where they are encrypted and there is none, and
 * as `readConfiguredSecret`.
 */
export async function openEntityStore(
  layout: HomeLayout,
  handed: Passphrases | null,
): Promise<KeyProtection> {
  const settings = (await readStateFile<EntityStoreSettings>(layout.entityStore)) ?? {};
  const current = (await readSource(settings)) ?? handed?.current ?? null;
  const former = [...(handed?.former ?? [])];
  if (current !== null && settings.former !== undefined) {
    const before = await unsealByPassphrase(settings.former, current);
    if (before !== null) former.push(before);
  }
  if (current === null && (await isEncrypted(layout)))
    throw new DomainError(
      "unauthenticated",
      `the keys in ${layout.home}/conf/fed are encrypted: start at a terminal, or say in ${layout.entityStore} with passphraseFile or passphraseExec where their passphrase comes from`,
    );
  return new KeyProtection(current, former);
}

/** The passphrase that a source gives; undefined for none. Throws as `readConfiguredSecret`. */
export function readSource(settings: PassphraseSource): Promise<string | undefined> {
  const source = { file: settings.passphraseFile, exec: settings.passphraseExec };
  return readConfiguredSecret(source, "passphrase", "unauthenticated");
}

/** True where somebody has to be asked for the passphrase at a start. */
export async function asksForPassphrase(layout: HomeLayout): Promise<boolean> {
  const settings = (await readStateFile<EntityStoreSettings>(layout.entityStore)) ?? {};
  const { passphraseFile, passphraseExec } = settings;
  return (
    passphraseFile === undefined && passphraseExec === undefined && (await isEncrypted(layout))
  );
}

const ownKey = ({ nodeCredential }: HomeLayout): string =>
  join(nodeCredential, "current", "key.pem");

async function isEncrypted(layout: HomeLayout): Promise<boolean> {
  const path = ownKey(layout);
  return existsSync(path) && isEncryptedPem(await readSecretFile(path));
}

/** Writes where the passphrase comes from at the next start; nothing: somebody is asked. */
export async function saveSource(layout: HomeLayout, source: EntityStoreSettings): Promise<void> {
  if (Object.keys(source).length === 0) return rm(layout.entityStore, { force: true });
  const text = `${JSON.stringify(source, null, 2)}\n`;
  // A first host that waits for its certificate has none yet.
  await ensureFolder(dirname(layout.entityStore), 0o700);
  await writeFileAtomic(layout.entityStore, text, { mode: 0o600 });
}

/** Writes every key of the Node Manager as `keys` protects them now; forgets passphrases before. */
export async function protectEntityStore({ layout, keys }: Store): Promise<void> {
  await protectGenerations(layout.nodeCredential, keys);
  for await (const path of glob("members/*/{credential,found}", { cwd: layout.home }))
    await protectGenerations(join(layout.home, path), keys);
  if (existsSync(layout.nodeSealingKey)) await protectKeyFile(layout.nodeSealingKey, keys);
  await protectPendingKeys(layout, keys);
  const { former, ...source } =
    (await readStateFile<EntityStoreSettings>(layout.entityStore)) ?? {};
  if (former !== undefined) await saveSource(layout, source);
  keys.take({ ...keys.passphrases, former: [] });
}

export interface EntityStoreChange {
  /** Empty where there is none. */
  readonly old: string;
  readonly new: string;
  /** Where the new one comes from at the next start; nothing: somebody is asked. */
  readonly source: PassphraseSource;
}

/**
 * Encrypts the Node Manager's keys by another passphrase. Whoever dies meanwhile starts again: with
 * the new one, which opens the one before, from the moment that the settings say so; with the old one
 * where the new one is empty. Throws `forbidden` for a wrong old one.
 */
export async function changeEntityStore(store: Store, change: EntityStoreChange): Promise<void> {
  const { layout, keys } = store;
  const isRight = isSame(change.old, keys.passphrases.current ?? "");
  if (!isRight || !(await opensOwnKey(store)))
    throw new DomainError(
      "forbidden",
      change.old === ""
        ? "the Node Manager's keys are under a passphrase: give it with --old_passphrase_file"
        : "the old passphrase is wrong: the Node Manager's keys stay as they are",
    );
  if (change.new !== "") {
    const former =
      change.old === "" ? {} : { former: await sealByPassphrase(change.old, change.new) };
    await saveSource(layout, { ...change.source, ...former });
  }
  keys.take({ current: change.new, former: [change.old] });
  await protectEntityStore(store);
  if (change.new === "") await saveSource(layout, {});
}

/** The same while no Node Manager runs on the home. */
export async function changeStoppedEntityStore(
  layout: HomeLayout,
  change: EntityStoreChange,
): Promise<void> {
  const keys = (await isEncrypted(layout)) ? new KeyProtection(change.old) : new KeyProtection();
  await changeEntityStore({ layout, keys }, change);
}

async function opensOwnKey({ layout, keys }: Store): Promise<boolean> {
  const read = keys.read(ownKey(layout));
  return read.then(
    () => true,
    (error: unknown) => {
      if (isDomainError(error, "unauthenticated")) return false;
      throw error;
    },
  );
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
