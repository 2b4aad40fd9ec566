import { basename, dirname, join } from "node:path";
import {
  ensureFolder,
  syncFolder,
  writeFailure,
  writeNewFile,
  type FileAccess,
} from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { manifestName } from "./description.ts";
import { claimFolder } from "./own-folder.ts";
import {
  besideOf,
  diskOf,
  folderOf,
  generationsOf,
  linkedSequence,
  namesIn,
  readManifest,
  type Facts,
  type ManifestFile,
  type Place,
} from "./place.ts";
import { fingerprintOf } from "./served.ts";

/** A file of a generation: its name with `link`, its absolute path with `swap`. */
export interface StagedFile {
  readonly path: string;
  /** Null: there is to be none. */
  readonly bytes: Uint8Array | null;
  readonly access: FileAccess;
}

/**
 * Writes a generation, complete and durable, where no server sees it. The same again changes
 * nothing; another content for a number that exists is a DomainError `conflict`, and a folder that is
 * not the member's own one of `claimFolder`.
 */
export async function stageFiles(
  place: Place,
  sequence: number,
  facts: Facts,
  staged: readonly StagedFile[],
): Promise<void> {
  const path = folderOf(place, sequence);
  const found = await readManifest(place, sequence);
  if (found?.digest === facts.digest) return;
  if (found !== null)
    throw new DomainError(
      "conflict",
      `${path} exists already, with another content: use the next number`,
    );
  const files = diskOf(place);
  const temporary = besideOf(path);
  await claimFolder(place);
  try {
    for (const folder of [place.folder, generationsOf(place)]) await makeFolder(place, folder);
    await files.rm(temporary, { recursive: true, force: true });
    await makeFolder(place, temporary);
    const entries = staged.map((file, i) => manifestFile(place, file, i));
    for (const [i, { name, access }] of entries.entries())
      if (name !== null)
        await writeNewFile(join(temporary, name), staged[i]?.bytes ?? "", access, files);
    const text = `${JSON.stringify({ ...facts, files: entries })}\n`;
    await writeNewFile(join(temporary, manifestName), text, { mode: 0o600 }, files);
    await syncFolder(temporary, files);
    await files.rename(temporary, path);
    await syncFolder(dirname(path), files);
  } catch (cause) {
    await files.rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw writeFailure(path, cause);
  }
}

function manifestFile(
  { visible }: Place,
  { path, bytes, access }: StagedFile,
  index: number,
): ManifestFile {
  if (bytes === null) return { path, name: null, access, sha256: null };
  // With `swap` two files of one name may go to different folders.
  const name = visible === "link" ? path : `${index}-${basename(path)}`;
  return { path, name, access, sha256: fingerprintOf(bytes) };
}

async function makeFolder(place: Place, path: string): Promise<void> {
  const files = diskOf(place);
  await ensureFolder(path, place.gid === null ? 0o700 : 0o750, files);
  if (place.gid === null) return;
  const handle = await files.open(path, "r");
  try {
    await handle.chown(-1, place.gid);
  } finally {
    await handle.close();
  }
}

/** Removes all generations but the newest `keep`, the current, the good and the found one. */
export async function pruneFiles(place: Place, keep: number): Promise<void> {
  const files = diskOf(place);
  const kept = [await linkedSequence(place, "current"), await linkedSequence(place, "good"), 0];
  const all = (await namesIn(place, generationsOf(place)))
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => b - a);
  for (const sequence of all.slice(keep).filter((each) => !kept.includes(each))) {
    const path = folderOf(place, sequence);
    // Renamed first, so that a half-removed generation is never taken for a complete one.
    await files.rename(path, besideOf(path));
    await files.rm(besideOf(path), { recursive: true });
  }
}
