import { basename, dirname, join } from "node:path";
import {
  nodeFileSystem,
  syncFolder,
  systemCode,
  writeFailure,
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

/** What is known about a generation, beside its files. Never a secret. */
export interface Facts {
  /** Says, as a hash, what the generation is made of: another digest is another generation. */
  readonly digest: string;
  /** SHA-256 of the leaf, and of the trusted CAs; null where it was found on the host. */
  readonly leaf: string | null;
  readonly anchors: string | null;
}

export interface Manifest extends Facts {
  readonly files: readonly ManifestFile[];
}

export interface ManifestFile {
  readonly path: string;
  /** Its name in the generation's folder; null where there was no file at `path`. */
  readonly name: string | null;
  readonly access: FileAccess;
  /** Of its content, in hexadecimal; null where there was none. */
  readonly sha256: string | null;
}

type Link = "current" | "good";
export const generations = "generations";
const unfinished = ".unfinished-gatehouse-";

export const diskOf = ({ files = nodeFileSystem }: Place): FileSystem => files;
export const generationsOf = ({ folder }: Place): string => join(folder, generations);
export const folderOf = (place: Place, sequence: number): string =>
  join(generationsOf(place), String(sequence));

/** The one name, in the folder of `path`, for what is to take its place. */
export const besideOf = (path: string): string =>
  join(dirname(path), `${unfinished}${basename(path)}`);
export const isUnfinished = (name: string): boolean => name.startsWith(".unfinished-");

/** The content of a file, null if it does not exist. */
export async function readIfThere(place: Place, path: string): Promise<Buffer | null> {
  try {
    return await diskOf(place).readFile(path);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    throw cause;
  }
}

/** The names in a folder, none if it does not exist. */
export async function namesIn(place: Place, folder: string): Promise<string[]> {
  try {
    return await diskOf(place).readdir(folder);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return [];
    throw cause;
  }
}

/** What is known about a generation; null if it is not there. */
export async function readManifest(place: Place, sequence: number): Promise<Manifest | null> {
  const path = join(folderOf(place, sequence), manifestName);
  const text = await readIfThere(place, path);
  if (text === null) return null;
  try {
    return JSON.parse(String(text)) as Manifest;
  } catch (cause) {
    throw new DomainError("state-corrupt", `${path} cannot be read: install another generation`, {
      cause,
    });
  }
}

/** The generation that a link leads to: `current` is in use, `good` was the last that worked. */
export async function linkedSequence(place: Place, link: Link): Promise<number | null> {
  const path = join(place.folder, link);
  try {
    const target = await diskOf(place).readlink(path);
    const [, digits] = /^generations\/(0|[1-9]\d{0,14})$/.exec(target) ?? [];
    if (digits !== undefined) return Number(digits);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    if (systemCode(cause) !== "EINVAL") throw cause;
  }
  throw new DomainError(
    "state-corrupt",
    `${path} is not a link to a generation: remove it and install the generation again`,
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
