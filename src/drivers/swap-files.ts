import { dirname, join } from "node:path";
import {
  syncFolder,
  systemCode,
  writeFailure,
  writeFileAtomic,
  writeNewFile,
  type FileAccess,
} from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import {
  besideOf,
  diskOf,
  folderOf,
  linkedSequence,
  readIfThere,
  readManifest,
  setLink,
  type Manifest,
  type Place,
} from "./place.ts";
import { stageFiles, type StagedFile } from "./stage-files.ts";

/** What was found at the paths of a swap before Gatehouse put anything there. */
const foundSequence = 0;

const journalOf = ({ folder }: Place): string => join(folder, "swap.json");

/**
 * Keeps what is at the paths of a swap as generation 0, the last that worked, if nothing was ever
 * installed: the files of somebody's hand come back where the first generation fails. A DomainError
 * `invalid-input` for a path that is a link.
 */
export async function keepFound(place: Place): Promise<void> {
  if (place.visible !== "swap" || (await linkedSequence(place, "good")) !== null) return;
  if ((await readManifest(place, foundSequence)) === null) {
    const found: StagedFile[] = [];
    for (const path of place.paths) {
      const bytes = await readIfThere(place, path);
      const access = bytes === null ? { mode: 0o600 } : await accessOf(place, path);
      found.push({ path, bytes, access });
    }
    const facts = { digest: "found", leaf: null, anchors: null };
    await stageFiles(place, foundSequence, facts, found);
  }
  await setLink(place, "current", foundSequence);
  await setLink(place, "good", foundSequence);
}

async function accessOf(place: Place, path: string): Promise<FileAccess> {
  const found = await diskOf(place).lstat(path);
  if (!found.isSymbolicLink()) return { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid };
  throw new DomainError("invalid-input", `${path} is a link: name the file that it leads to`);
}

/** Puts the files of an installed generation at their paths: all of them, whatever happens. */
export async function swapFiles(place: Place, sequence: number, manifest: Manifest): Promise<void> {
  const files = diskOf(place);
  const paths = manifest.files.map(({ path }) => path);
  try {
    for (const { path, name, access } of manifest.files) {
      if (name === null) continue;
      const bytes = await files.readFile(join(folderOf(place, sequence), name));
      await files.rm(besideOf(path), { force: true });
      await writeNewFile(besideOf(path), bytes, access, files);
    }
    await syncTargets(place, manifest);
    // Decided: whoever dies from here on has left the rest to `finishSwap`.
    const journal = `${JSON.stringify({ to: sequence })}\n`;
    await writeFileAtomic(journalOf(place), journal, { mode: 0o600 }, files);
  } catch (cause) {
    await removeBeside(place, paths).catch(() => undefined);
    throw writeFailure(paths.join(", "), cause);
  }
  await finishSwap(place);
}

/** Brings a swap that was decided to its end, and removes what is left of one that was not. */
export async function finishSwap(place: Place): Promise<void> {
  const files = diskOf(place);
  const journal = await readIfThere(place, journalOf(place));
  if (journal !== null) {
    const { to } = JSON.parse(String(journal)) as { to: number };
    const manifest = await readManifest(place, to);
    if (manifest === null)
      throw new DomainError(
        "state-corrupt",
        `${journalOf(place)} speaks of a generation that is not there: remove it and install again`,
      );
    for (const { path, name, access } of manifest.files) {
      if (name === null) await files.rm(path, { force: true });
      else await finishFile(place, path, join(folderOf(place, to), name), access);
    }
    await syncTargets(place, manifest);
    await setLink(place, "current", to);
    await files.rm(journalOf(place), { force: true });
    await syncFolder(place.folder, files);
  }
  await removeBeside(place, place.paths);
}

async function finishFile(
  place: Place,
  path: string,
  staged: string,
  access: FileAccess,
): Promise<void> {
  const files = diskOf(place);
  try {
    await files.rename(besideOf(path), path);
  } catch (cause) {
    if (systemCode(cause) !== "ENOENT") throw writeFailure(path, cause);
    // Renamed before the crash, unless somebody has changed it since.
    const bytes = await files.readFile(staged);
    const found = await readIfThere(place, path);
    if (found === null || !bytes.equals(found)) await writeFileAtomic(path, bytes, access, files);
  }
}

async function syncTargets(place: Place, { files: entries }: Manifest): Promise<void> {
  for (const folder of new Set(entries.map(({ path }) => dirname(path))))
    await syncFolder(folder, diskOf(place));
}

async function removeBeside(place: Place, paths: readonly string[]): Promise<void> {
  for (const path of paths) await diskOf(place).rm(besideOf(path), { force: true });
}
