import { existsSync } from "node:fs";
import { open, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { DomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import { ensureFolder, makeHomeFolder, writeFileAtomic } from "../keys/index.ts";
import { isAlive, markOf, readMark } from "../transport/index.ts";

const lockFile = (layout: HomeLayout): string => `${layout.home}/conf/joining.json`;
const roomFile = (layout: HomeLayout): string => `${layout.home}/conf/joining.room`;

/** More than credential, trust and settings take together. */
const roomBytes = 512 * 1024;

/** Takes the room that the answer will need, so that a full disk is found before the token is spent. */
export async function reserveRoom(layout: HomeLayout): Promise<() => Promise<void>> {
  await writeFileAtomic(roomFile(layout), Buffer.alloc(roomBytes, 1), { mode: 0o600 });
  return () => rm(roomFile(layout), { force: true });
}

/** Everything below the home that an interrupted or failed try made; the operator's own files stay. */
export async function removeLeftovers(layout: HomeLayout): Promise<void> {
  if (existsSync(layout.nodeSettings)) return;
  for (const made of [
    roomFile(layout),
    layout.nodeCredential,
    layout.trust,
    layout.sealingKey,
    layout.trustKey,
    layout.databaseSettings,
    layout.databaseIdentity,
  ])
    await rm(made, { recursive: true, force: true });
  await rmdir(dirname(layout.nodeCredential)).catch(() => undefined);
}

/**
 * Takes the home for one joining process. The lock names its process by pid and start time, so
 * that what a killed one left holds nobody back.
 */
export async function lockForJoining(layout: HomeLayout): Promise<() => Promise<void>> {
  const file = lockFile(layout);
  const made = await makeFolders(layout);
  const mark = JSON.stringify(await markOf(process.pid));
  try {
    if (!(await createExclusively(file, mark))) {
      const holder = await readMark(file);
      if (holder !== null && (await isAlive(holder)))
        throw new DomainError(
          "home-locked",
          `the process ${holder.pid} is joining ${layout.home} at this moment: wait until it ends`,
        );
      await rm(file, { force: true });
      await createExclusively(file, mark);
    }
  } catch (error) {
    await removeIfEmpty(made);
    throw error;
  }
  return async () => {
    await rm(file, { force: true });
    if (!existsSync(layout.nodeSettings)) await removeIfEmpty(made);
  };
}

/** Makes the folders, and returns those that were not there, innermost first. */
async function makeFolders(layout: HomeLayout): Promise<string[]> {
  const made = await makeHomeFolder(layout.home);
  const conf = dirname(layout.nodeSettings);
  if (!existsSync(conf)) made.unshift(conf);
  try {
    await ensureFolder(conf, 0o700);
  } catch (error) {
    await removeIfEmpty(made);
    throw error;
  }
  return made;
}

async function removeIfEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rmdir(folder).catch(() => undefined);
}

/** True if the file is new and holds `text`; false if it was there. */
async function createExclusively(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx", 0o600);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new DomainError(
      code === "ENOSPC" ? "disk-full" : "read-only",
      `${path} cannot be written: make room, or check the owner and mode of its folder`,
      { cause },
    );
  }
}
