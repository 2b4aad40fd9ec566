import { join } from "node:path";
import { systemCode } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { isOwnFolder } from "./own-folder.ts";
import {
  diskOf,
  folderOf,
  generationsOf,
  isUnfinished,
  linkedSequence,
  namesIn,
  readIfThere,
  readManifest,
  setLink,
  type Manifest,
  type ManifestFile,
  type Place,
} from "./place.ts";
import { fingerprintOf } from "./served.ts";
import { finishSwap, swapFiles } from "./swap-files.ts";

/**
 * Makes an installed generation the one that the server will read; with null, none (`link` only). A
 * DomainError `state-corrupt` if it is not there as it was written.
 */
export async function presentFiles(place: Place, sequence: number | null): Promise<void> {
  if (sequence === null)
    return place.visible === "link" ? setLink(place, "current", null) : undefined;
  const manifest = await intactManifest(place, sequence);
  await (place.visible === "link"
    ? setLink(place, "current", sequence)
    : swapFiles(place, sequence, manifest));
}

async function intactManifest(place: Place, sequence: number): Promise<Manifest> {
  const folder = folderOf(place, sequence);
  const manifest = await readManifest(place, sequence);
  for (const { name, sha256 } of manifest?.files ?? []) {
    const bytes = name === null ? null : await readIfThere(place, join(folder, name));
    if ((bytes === null ? null : fingerprintOf(bytes)) === sha256) continue;
    throw new DomainError(
      "state-corrupt",
      `${join(folder, name ?? "")} is not as it was written: install the credential under the next number`,
    );
  }
  if (manifest !== null) return manifest;
  throw new DomainError("state-corrupt", `${folder} is not there: install the generation again`);
}

/**
 * Brings what a dead process left to one whole generation, the old or the new: a swap that was
 * decided is finished, what was unfinished is removed. Before any start or reload of the server.
 */
export async function recoverFiles(place: Place): Promise<void> {
  if (!(await isOwnFolder(place))) return;
  if (place.visible === "swap") await finishSwap(place);
  for (const folder of [place.folder, generationsOf(place)])
    for (const name of await namesIn(place, folder))
      if (isUnfinished(name))
        await diskOf(place).rm(join(folder, name), { recursive: true, force: true });
}

/** A file that is not as the current generation has it: what somebody, or a crash of theirs, did to it. */
export interface ChangedFile {
  readonly path: string;
  readonly problem: "missing" | "content" | "mode" | "owner";
}

/** The files, where the server reads them, that differ from the current generation. */
export async function changedFiles(place: Place): Promise<ChangedFile[]> {
  const current = await linkedSequence(place, "current");
  const manifest = current === null ? null : await readManifest(place, current);
  const changed: ChangedFile[] = [];
  for (const file of manifest?.files ?? []) {
    const path = place.visible === "link" ? join(place.folder, "current", file.path) : file.path;
    const problem = await problemOf(place, path, file);
    if (problem !== null) changed.push({ path, problem });
  }
  return changed;
}

async function problemOf(
  place: Place,
  path: string,
  { access: { mode, uid, gid }, sha256 }: ManifestFile,
): Promise<ChangedFile["problem"] | null> {
  const bytes = await readIfThere(place, path);
  if (bytes === null) return sha256 === null ? null : "missing";
  if (fingerprintOf(bytes) !== sha256) return "content";
  const found = await diskOf(place)
    .lstat(path)
    .catch((cause: unknown) => {
      if (systemCode(cause) === "ENOENT") return null;
      throw cause;
    });
  if (found === null) return "missing";
  if ((found.mode & 0o7777) !== mode) return "mode";
  const isOwned = (uid ?? found.uid) === found.uid && (gid ?? found.gid) === found.gid;
  return isOwned ? null : "owner";
}
