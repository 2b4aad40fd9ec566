import { basename, dirname, join } from "node:path";
import {
  ensureFolder,
  nodeFileSystem,
  syncFolder,
  systemCode,
  writeFailure,
  writeFileAtomic,
  writeNewFile,
  type FileAccess,
  type FileSystem,
} from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { manifestName } from "./description.ts";

/** Where the files of a member are, and how they change. */
export interface Place {
  /** Gatehouse's own folder of this member: `generations/N`, the links `current` and `good`. */
  readonly folder: string;
  /** The group that may enter `folder`, besides its owner; null for nobody. */
  readonly gid: number | null;
  /** `link`: the server reads below `current`. `swap`: it reads copies at `paths`. */
  readonly visible: "link" | "swap";
  /** Where the files are, absolute, with `swap`. */
  readonly paths: readonly string[];
  readonly files?: FileSystem;
}

/** A file to be installed: by name with `link`, by absolute path with `swap`. */
export interface PlacedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly access: FileAccess;
}

/** What is known about a generation, beside its files. Never a secret. */
export interface Facts {
  /** Says, as a hash, what the generation is made of: another digest is another generation. */
  readonly digest: string;
  /** SHA-256 of the leaf and of the trusted CAs; null where it was found on the host. */
  readonly leaf: string | null;
  readonly anchors: string | null;
}

interface Manifest extends Facts {
  /** `name` is that of the file in the generation's folder; null where there was no file at `path`. */
  readonly files: readonly { path: string; name: string | null; access: FileAccess }[];
}

/** What was found at the paths of a swap before Gatehouse put anything there. */
const foundSequence = 0;

type Link = "current" | "good";
const generations = "generations";
const unfinished = ".unfinished-gatehouse-";

const diskOf = ({ files = nodeFileSystem }: Place): FileSystem => files;
const folderOf = (place: Place, sequence: number): string =>
  join(place.folder, generations, String(sequence));
const journalOf = (place: Place): string => join(place.folder, "swap.json");
const besideOf = (path: string): string => join(dirname(path), `${unfinished}${basename(path)}`);

/**
 * Writes a generation, complete and durable, where no server sees it. The same again changes
 * nothing; another content for a number that exists is a DomainError `conflict`.
 */
export async function stageFiles(
  place: Place,
  sequence: number,
  facts: Facts,
  placed: readonly PlacedFile[],
): Promise<void> {
  const found = await readFacts(place, sequence);
  if (found?.digest === facts.digest) return;
  if (found !== null)
    throw new DomainError(
      "conflict",
      `${folderOf(place, sequence)} exists already, with another content: use the next number`,
    );
  const entries = placed.map(({ path, access }, i) => ({
    path,
    name: nameIn(place, path, i),
    access,
  }));
  const contents = new Map(placed.map(({ bytes }, i) => [entries[i]?.name ?? "", bytes]));
  await writeGeneration(place, sequence, { ...facts, files: entries }, contents);
}

/** With `swap` two files of one name may go to different folders. */
function nameIn({ visible }: Place, path: string, index: number): string {
  return visible === "link" ? path : `${index}-${basename(path)}`;
}

async function writeGeneration(
  place: Place,
  sequence: number,
  manifest: Manifest,
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const files = diskOf(place);
  const path = folderOf(place, sequence);
  const temporary = besideOf(path);
  try {
    await makeFolder(place, place.folder);
    await makeFolder(place, join(place.folder, generations));
    await files.rm(temporary, { recursive: true, force: true });
    await makeFolder(place, temporary);
    for (const { name, access } of manifest.files)
      if (name !== null)
        await writeNewFile(join(temporary, name), contents.get(name) ?? "", access, files);
    const text = `${JSON.stringify(manifest)}\n`;
    await writeNewFile(join(temporary, manifestName), text, { mode: 0o600 }, files);
    await syncFolder(temporary, files);
    await files.rename(temporary, path);
    await syncFolder(dirname(path), files);
  } catch (cause) {
    await files.rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw writeFailure(path, cause);
  }
}

async function makeFolder({ gid, ...place }: Place, path: string): Promise<void> {
  const files = diskOf({ gid, ...place });
  await ensureFolder(path, gid === null ? 0o700 : 0o750, files);
  if (gid === null) return;
  const handle = await files.open(path, "r");
  try {
    await handle.chown(-1, gid);
  } finally {
    await handle.close();
  }
}

/** What is known about a generation; null if it is not there. */
export async function readFacts(place: Place, sequence: number): Promise<Facts | null> {
  return readManifest(place, sequence);
}

async function readManifest(place: Place, sequence: number): Promise<Manifest | null> {
  const path = join(folderOf(place, sequence), manifestName);
  const text = await readIfThere(place, path);
  if (text === null) return null;
  try {
    return JSON.parse(String(text)) as Manifest;
  } catch (cause) {
    throw new DomainError("state-corrupt", `${path} cannot be read: install the credential again`, {
      cause,
    });
  }
}

async function readIfThere(place: Place, path: string): Promise<Uint8Array | null> {
  try {
    return await diskOf(place).readFile(path);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    throw cause;
  }
}

/** The generation that a link leads to: `current` is in use, `good` was the last that worked. */
export async function linkedSequence(place: Place, link: Link): Promise<number | null> {
  try {
    const target = await diskOf(place).readlink(join(place.folder, link));
    const [, digits] = /^generations\/(0|[1-9]\d{0,14})$/.exec(target) ?? [];
    if (digits !== undefined) return Number(digits);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    if (systemCode(cause) !== "EINVAL") throw cause;
  }
  throw new DomainError(
    "state-corrupt",
    `${join(place.folder, link)} is not a link to a generation: install the credential again`,
  );
}

/** Makes a link lead to a generation, by one rename; to none, if `sequence` is null. */
export async function setLink(place: Place, link: Link, sequence: number | null): Promise<void> {
  const files = diskOf(place);
  const path = join(place.folder, link);
  try {
    if (sequence === null) await files.rm(path, { force: true });
    else {
      await files.rm(besideOf(path), { force: true });
      await files.symlink(join(generations, String(sequence)), besideOf(path));
      await files.rename(besideOf(path), path);
    }
    await syncFolder(place.folder, files);
  } catch (cause) {
    throw writeFailure(path, cause);
  }
}

/**
 * Keeps what is at the paths of a swap as generation 0, the last that worked, if nothing was ever
 * installed: the files of somebody's hand come back where the first generation fails. A DomainError
 * `invalid-input` for a path that is a link.
 */
export async function keepFound(place: Place): Promise<void> {
  if (place.visible !== "swap" || (await linkedSequence(place, "good")) !== null) return;
  if ((await readManifest(place, foundSequence)) === null) {
    const entries: { path: string; name: string | null; access: FileAccess }[] = [];
    const contents = new Map<string, Uint8Array>();
    for (const [i, path] of place.paths.entries()) {
      const bytes = await readIfThere(place, path);
      const name = bytes === null ? null : nameIn(place, path, i);
      entries.push({
        path,
        name,
        access: bytes === null ? { mode: 0o600 } : await accessOf(place, path),
      });
      if (name !== null && bytes !== null) contents.set(name, bytes);
    }
    const manifest = { digest: "found", leaf: null, anchors: null, files: entries };
    await writeGeneration(place, foundSequence, manifest, contents);
  }
  await setLink(place, "current", foundSequence);
  await setLink(place, "good", foundSequence);
}

async function accessOf(place: Place, path: string): Promise<FileAccess> {
  const found = await diskOf(place).lstat(path);
  if (!found.isSymbolicLink()) return { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid };
  throw new DomainError("invalid-input", `${path} is a link: name the file that it leads to`);
}

/** Makes an installed generation the one that the server will read; with null, none (`link` only). */
export async function presentFiles(place: Place, sequence: number | null): Promise<void> {
  if (place.visible === "link") return setLink(place, "current", sequence);
  if (sequence === null) return;
  const files = diskOf(place);
  const manifest = await manifestToPresent(place, sequence);
  try {
    for (const { path, name, access } of manifest.files) {
      if (name === null) continue;
      const bytes = await files.readFile(join(folderOf(place, sequence), name));
      await files.rm(besideOf(path), { force: true });
      await writeNewFile(besideOf(path), bytes, access, files);
    }
    await syncTargets(place, manifest);
    // Decided: whoever dies from here on has left the rest to `recoverFiles`.
    const journal = `${JSON.stringify({ to: sequence })}\n`;
    await writeFileAtomic(journalOf(place), journal, { mode: 0o600 }, files);
  } catch (cause) {
    await removeBeside(
      place,
      manifest.files.map(({ path }) => path),
    ).catch(() => undefined);
    throw writeFailure(manifest.files.map(({ path }) => path).join(", "), cause);
  }
  await finishSwap(place);
}

async function manifestToPresent(place: Place, sequence: number): Promise<Manifest> {
  const manifest = await readManifest(place, sequence);
  if (manifest !== null) return manifest;
  throw new DomainError("not-found", `there is no generation ${folderOf(place, sequence)}`);
}

/** Brings a swap that was decided to its end. False if none was. */
async function finishSwap(place: Place): Promise<boolean> {
  const files = diskOf(place);
  const journal = await readIfThere(place, journalOf(place));
  if (journal === null) return false;
  const { to } = JSON.parse(String(journal)) as { to: number };
  const manifest = await manifestToPresent(place, to);
  for (const { path, name, access } of manifest.files) {
    if (name === null) await files.rm(path, { force: true });
    else await finishFile(place, path, join(folderOf(place, to), name), access);
  }
  await syncTargets(place, manifest);
  await setLink(place, "current", to);
  await files.rm(journalOf(place), { force: true });
  await syncFolder(place.folder, files);
  return true;
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

/**
 * Brings what a dead process left to one whole generation, the old or the new: a swap that was
 * decided is finished, what was unfinished is removed. Before any start or reload of the server.
 */
export async function recoverFiles(place: Place): Promise<void> {
  const files = diskOf(place);
  await finishSwap(place);
  if (place.visible === "swap") await removeBeside(place, place.paths);
  for (const folder of [place.folder, join(place.folder, generations)])
    for (const name of await namesIn(files, folder))
      if (name.startsWith(".unfinished-"))
        await files.rm(join(folder, name), { recursive: true, force: true });
}

async function namesIn(files: FileSystem, folder: string): Promise<string[]> {
  try {
    return await files.readdir(folder);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return [];
    throw cause;
  }
}

/** Removes all generations but the newest `keep`, the current, the good and the found one. */
export async function pruneFiles(place: Place, keep: number): Promise<void> {
  const files = diskOf(place);
  const kept = [await linkedSequence(place, "current"), await linkedSequence(place, "good"), 0];
  const all = (await namesIn(files, join(place.folder, generations)))
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
