import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { ensureFolder, makeHomeFolder } from "../keys/index.ts";
import { lockHome } from "../store/index.ts";
import { hasPlacedAuthority, placedFiles } from "./placed-authority.ts";

/** The folder below the store's in which a backup is opened. */
export const openedBackup = ".backup-opened";

/**
 * Makes a home of an empty folder, under its lock; `fill` writes the settings file last, which marks
 * it as done. What an interrupted or failed try left is removed. Throws `home-exists`,
 * `home-locked`, `disk-full`, `read-only`, and what `fill` throws.
 */
export async function fillEmptyHome<T>(
  home: string,
  fill: (layout: HomeLayout) => Promise<T>,
): Promise<T> {
  const layout = homeLayout(home);
  if (existsSync(layout.nodeSettings)) {
    throw new DomainError(
      "home-exists",
      `${home} is part of a domain already: choose another folder with --home, or remove this one first`,
    );
  }
  await ensureHome(layout);
  const lock = await lockHome(layout.store);
  const isPlaced = hasPlacedAuthority(layout);
  try {
    await removeLeftovers(layout, isPlaced);
    return await fill(layout);
  } catch (error) {
    await removeLeftovers(layout, isPlaced);
    throw error;
  } finally {
    lock.release();
    if (!existsSync(layout.nodeSettings)) await removeEmptyFolders(layout);
  }
}

/** Of a try that failed nothing stays, the lock and empty folders included. */
async function removeEmptyFolders(layout: HomeLayout): Promise<void> {
  await rm(layout.store, { recursive: true, force: true });
  const { home } = layout;
  for (const folder of [
    `${home}/conf/fed`,
    `${home}/conf`,
    `${home}/groups/certs/private`,
    `${home}/groups/certs`,
    `${home}/groups`,
    home,
  ]) {
    // One that holds something of the operator's own stays.
    await rmdir(folder).catch(() => undefined);
  }
}

async function ensureHome(layout: HomeLayout): Promise<void> {
  await makeHomeFolder(layout.home);
  await ensureFolder(layout.store, 0o700);
}

/**
 * Everything below the home but the lock of this very command and files of the operator's own, among
 * them a CA that was placed there.
 */
async function removeLeftovers(layout: HomeLayout, isPlaced: boolean): Promise<void> {
  const kept = isPlaced ? placedFiles(layout) : [];
  for (const name of await readdir(layout.store)) {
    if (name.startsWith("gatehouse.db") || name === openedBackup)
      await rm(`${layout.store}/${name}`, { recursive: true, force: true });
  }
  await removeKeys(layout, kept);
  for (const made of [
    layout.nodeCredential,
    layout.trust,
    layout.topologyJson,
    layout.domainCertificate,
    layout.certificateIndex,
    `${layout.certificateIndex}.attr`,
    layout.certificateIndexState,
    layout.certificateSerial,
    layout.newCertificates,
    layout.restored,
  ]) {
    if (!kept.includes(made)) await rm(made, { recursive: true, force: true });
  }
}

/** Without those of a request that waits for its certificate. */
async function removeKeys(
  { authorityKeys, temporaryKeys }: HomeLayout,
  kept: readonly string[],
): Promise<void> {
  for (const name of await readdir(authorityKeys).catch((): string[] => [])) {
    const path = `${authorityKeys}/${name}`;
    if (path !== temporaryKeys && !kept.includes(path))
      await rm(path, { recursive: true, force: true });
  }
}
