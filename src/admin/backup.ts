import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, type AuthorityId } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { ensureFolder, readSealedFile, writeSealedFile, type SealedPart } from "../keys/index.ts";
import { backUpStore } from "../store/index.ts";
import { requireAdminHome } from "./admin-home.ts";
import { openDatabaseAccess, usesDatabase } from "./database.ts";
import { machineClock } from "./machine-clock.ts";
import { checkOpened, type BackupManifest, type CheckedBackup } from "./opened-backup.ts";
import { productVersion } from "./product.ts";

interface BackupMade extends CheckedBackup {
  readonly path: string;
}

/** Settings of the operator's own that a restored home gets back, below `conf`. */
export const backedUpSettings = ["managedomain.props", "hooks.json", "token.json"] as const;

/**
 * Writes store, keys and settings of an Admin Node Manager's home, which may be in use, into one
 * encrypted file, and opens that again to see that it holds a domain: logs that verify, keys that fit
 * their certificates. `keyPassphrase` opens the keys where a passphrase protects them. Throws
 * `home-missing`, `not-found`, `unauthenticated` for a missing passphrase of the keys, `forbidden`
 * for a wrong one, `audit-broken`, `state-corrupt`, `disk-full`, `read-only`, `already-exists`.
 */
export async function backUpHome(
  home: string,
  of: {
    readonly path: string;
    readonly passphrase: string;
    readonly keyPassphrase: string | null;
  },
): Promise<BackupMade> {
  const layout = homeLayout(home);
  const settings = await requireAdminHome(layout);
  if (existsSync(of.path))
    throw new DomainError("already-exists", `${of.path} is there already: name a new file`);
  const work = join(layout.store, `.backup-${randomBytes(6).toString("hex")}`);
  await ensureFolder(work, 0o700);
  try {
    await backUpStore(
      (await usesDatabase(layout))
        ? { access: await openDatabaseAccess(layout) }
        : { folder: layout.store },
      join(work, "gatehouse.db"),
      machineClock,
    );
    const keys = await keyFilesOf(layout);
    const manifest: BackupManifest = {
      domain: settings.domain,
      hostId: settings.hostId,
      madeAtMs: machineClock.nowMs(),
      version: productVersion,
      authorities: keys.flatMap(({ authority }) => authority ?? []),
    };
    await writeSealedFile(of.path, of.passphrase, await partsOf(layout, work, manifest, keys));
    const checked = await testRestore(of, join(work, "test"));
    return { ...checked, path: of.path };
  } catch (error) {
    await rm(of.path, { force: true });
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface KeyFile {
  readonly name: string;
  readonly path: string;
  /** Undefined for the trust-signing key. */
  readonly authority?: AuthorityId;
}

/** The keys of CAs and the trust-signing key; the sealing key is made anew in every home. */
async function keyFilesOf({ authorityKeys, trustKey, sealingKey }: HomeLayout): Promise<KeyFile[]> {
  const names = (await readdir(authorityKeys)).filter(
    (name) => name.endsWith(".key.pem") && !name.startsWith("."),
  );
  return names.toSorted().flatMap((name) => {
    const path = join(authorityKeys, name);
    if (path === sealingKey) return [];
    if (path === trustKey) return [{ name, path }];
    return [{ name, path, authority: name.slice(0, -".key.pem".length) as AuthorityId }];
  });
}

async function partsOf(
  { home }: HomeLayout,
  work: string,
  manifest: BackupManifest,
  keys: readonly KeyFile[],
): Promise<SealedPart[]> {
  const parts: SealedPart[] = [
    { name: "manifest.json", content: JSON.stringify(manifest) },
    { name: "gatehouse.db", content: { path: join(work, "gatehouse.db") } },
  ];
  for (const { name, path } of keys) parts.push({ name, content: await readFile(path, "utf8") });
  for (const name of backedUpSettings) {
    const path = join(home, "conf", name);
    if (!existsSync(path)) continue;
    // It may be changed while it is read for the file.
    await copyFile(path, join(work, name));
    parts.push({ name, content: { path: join(work, name) } });
  }
  return parts;
}

async function testRestore(
  of: { readonly path: string; readonly passphrase: string; readonly keyPassphrase: string | null },
  folder: string,
): Promise<CheckedBackup> {
  await readSealedFile(of.path, of.passphrase, folder);
  return checkOpened(folder, of.keyPassphrase);
}
