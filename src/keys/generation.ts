import { join } from "node:path";
import { DomainError } from "../kit/index.ts";
import {
  ensureFolder,
  unfinishedPath,
  unfinishedPrefix,
  writeFileAtomic,
  writeNewFile,
} from "./atomic-file.ts";
import type { FileAccess } from "./atomic-file.ts";
import { nodeFileSystem, syncFolder, systemCode, writeFailure } from "./file-system.ts";
import type { FileSystem } from "./file-system.ts";
import { isEncryptedPem } from "./key-pair.ts";
import type { KeyProtection } from "./key-protection.ts";

/** One generation of a credential: everything that is installed together. */
export interface Generation {
  /** Grows with every generation of this credential; 1 is the first. */
  readonly sequence: number;
  readonly keyPem: string;
  readonly certificatePem: string;
  /** The authorities between the leaf and a root, cross-certificates included; may be empty. */
  readonly chainPem: string;
  /** What is known about it: serial, authority, dates. Never a secret. */
  readonly meta: Readonly<Record<string, string | number | boolean | null>>;
}

/** How the files of a credential are made; its folders are 0700. */
export interface GenerationOptions {
  /** 0600, the process's own, where it is absent. */
  readonly access?: FileAccess;
  readonly files?: FileSystem;
}

const folderMode = 0o700;
const generationsFolder = "generations";
const currentLink = "current";

/**
 * Writes a generation below the credential's folder `dir`, complete and durable, and shows it to
 * nobody yet: see `presentGeneration`. Installing the same one again changes nothing; another
 * content for a sequence that exists is a DomainError `conflict`. One writer a credential.
 */
export async function installGeneration(
  dir: string,
  generation: Generation,
  options: GenerationOptions = {},
): Promise<void> {
  const { files = nodeFileSystem, access = { mode: 0o600 } } = options;
  const path = generationPath(dir, generation.sequence);
  await recoverGenerations(dir, files);
  const existing = await readGeneration(dir, generation.sequence, files);
  if (existing !== null) {
    if (isSame(existing, generation)) return;
    throw new DomainError("conflict", `${path} exists already, with another content`);
  }
  const temporary = unfinishedPath(path);
  try {
    await ensureFolder(join(dir, generationsFolder), folderMode, files);
    await ensureFolder(temporary, folderMode, files);
    for (const [name, content] of Object.entries(fileContents(generation))) {
      await writeNewFile(join(temporary, name), content, access, files);
    }
    await syncFolder(temporary, files);
    await files.rename(temporary, path);
    await syncFolder(join(dir, generationsFolder), files);
  } catch (cause) {
    await files.rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw writeFailure(path, cause);
  }
}

/**
 * Makes an installed generation the one that is used, by one rename of a link. A DomainError
 * `not-found` if it is not installed.
 */
export async function presentGeneration(
  dir: string,
  sequence: number,
  files: FileSystem = nodeFileSystem,
): Promise<void> {
  const path = generationPath(dir, sequence);
  if ((await readGeneration(dir, sequence, files)) === null) {
    throw new DomainError("not-found", `there is no generation ${path} to present`);
  }
  const link = join(dir, currentLink);
  const temporary = unfinishedPath(link);
  try {
    await files.symlink(join(generationsFolder, String(sequence)), temporary);
    await files.rename(temporary, link);
    await syncFolder(dir, files);
  } catch (cause) {
    await files.rm(temporary, { force: true }).catch(() => undefined);
    throw writeFailure(link, cause);
  }
}

/** The generation that is used, null if none is yet; a DomainError `state-corrupt` if it is broken. */
export async function readCurrent(
  dir: string,
  files: FileSystem = nodeFileSystem,
): Promise<Generation | null> {
  const sequence = await currentSequence(dir, files);
  if (sequence === null) return null;
  const generation = await readGeneration(dir, sequence, files);
  if (generation !== null) return generation;
  throw corrupt(join(dir, currentLink), "leads to a generation that is not there");
}

/** The sequences of all complete generations, lowest first. */
export async function listGenerations(
  dir: string,
  files: FileSystem = nodeFileSystem,
): Promise<number[]> {
  const names = await namesIn(join(dir, generationsFolder), files);
  return names
    .filter((name) => /^[1-9][0-9]{0,14}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Removes all generations except the `keep` newest and the current one; returns the sequences of
 * those that it removed.
 */
export async function pruneGenerations(
  dir: string,
  keep: number,
  files: FileSystem = nodeFileSystem,
): Promise<number[]> {
  const current = await currentSequence(dir, files);
  const all = await listGenerations(dir, files);
  const doomed = all
    .slice(0, Math.max(0, all.length - keep))
    .filter((sequence) => sequence !== current);
  for (const sequence of doomed) {
    const path = generationPath(dir, sequence);
    // Renamed first, so that a half-removed generation is never taken for a complete one.
    const temporary = unfinishedPath(path);
    await files.rename(path, temporary);
    await files.rm(temporary, { recursive: true });
  }
  if (doomed.length > 0) await syncFolder(join(dir, generationsFolder), files);
  return doomed;
}

/** Removes what a process that died half-way has left behind; `current` is never touched. */
export async function recoverGenerations(
  dir: string,
  files: FileSystem = nodeFileSystem,
): Promise<void> {
  for (const folder of [dir, join(dir, generationsFolder)]) await removeUnfinished(folder, files);
}

async function removeUnfinished(folder: string, files: FileSystem): Promise<void> {
  for (const name of await namesIn(folder, files)) {
    if (!name.startsWith(unfinishedPrefix)) continue;
    await files.rm(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Writes the keys of all generations as `keys` protects them now, each at once or not at all. Returns
 * how many were written anew. Throws `unauthenticated` for one that it does not open.
 */
export async function protectGenerations(
  dir: string,
  keys: KeyProtection,
  { files = nodeFileSystem, access = { mode: 0o600 } }: GenerationOptions = {},
): Promise<number> {
  let written = 0;
  for (const sequence of await listGenerations(dir, files)) {
    const folder = generationPath(dir, sequence);
    await removeUnfinished(folder, files);
    if (await protectKeyFile(join(folder, "key.pem"), keys, { files, access })) written += 1;
  }
  return written;
}

/** The same for one file. False if nothing had to be done. */
export async function protectKeyFile(
  path: string,
  keys: KeyProtection,
  { files = nodeFileSystem, access = { mode: 0o600 } }: GenerationOptions = {},
): Promise<boolean> {
  const pem = await files.readFile(path, "utf8");
  if (await keys.isCurrent(pem)) return false;
  await writeFileAtomic(path, await keys.toPem(await keys.fromPem(pem, path)), access, files);
  return true;
}

function generationPath(dir: string, sequence: number): string {
  if (!Number.isSafeInteger(sequence) || sequence < 1) {
    throw new DomainError("invalid-input", `${sequence} is not the number of a generation`);
  }
  return join(dir, generationsFolder, String(sequence));
}

function fileContents(generation: Generation): Record<string, string> {
  return {
    "key.pem": generation.keyPem,
    "certificate.pem": generation.certificatePem,
    "chain.pem": generation.chainPem,
    "meta.json": `${JSON.stringify(generation.meta)}\n`,
  };
}

/** Of a key that is encrypted, never twice in the same way, the certificate says which it is. */
function isSame(a: Generation, b: Generation): boolean {
  const isEncrypted = isEncryptedPem(a.keyPem) || isEncryptedPem(b.keyPem);
  const keyPem = isEncrypted ? a.keyPem : b.keyPem;
  return JSON.stringify(fileContents(a)) === JSON.stringify(fileContents({ ...b, keyPem }));
}

/** The sequence of the generation that is used, without reading it; null if none is yet. */
export async function currentSequence(
  dir: string,
  files: FileSystem = nodeFileSystem,
): Promise<number | null> {
  const link = join(dir, currentLink);
  try {
    const target = await files.readlink(link);
    const [, digits] = /^generations\/([1-9][0-9]{0,14})$/.exec(target) ?? [];
    if (digits !== undefined) return Number(digits);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return null;
    if (systemCode(cause) !== "EINVAL") throw cause;
  }
  throw corrupt(link, "is not a link to a generation");
}

/** A complete generation by its sequence, or null. */
export async function readGeneration(
  dir: string,
  sequence: number,
  files: FileSystem = nodeFileSystem,
): Promise<Generation | null> {
  const path = generationPath(dir, sequence);
  if (!(await listGenerations(dir, files)).includes(sequence)) return null;
  const read = (name: string): Promise<string> => files.readFile(join(path, name), "utf8");
  try {
    return {
      sequence,
      keyPem: await read("key.pem"),
      certificatePem: await read("certificate.pem"),
      chainPem: await read("chain.pem"),
      meta: JSON.parse(await read("meta.json")) as Generation["meta"],
    };
  } catch (cause) {
    if (systemCode(cause) !== "ENOENT" && !(cause instanceof SyntaxError)) throw cause;
    throw corrupt(path, "is not complete", cause);
  }
}

async function namesIn(folder: string, files: FileSystem): Promise<string[]> {
  try {
    return await files.readdir(folder);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return [];
    throw cause;
  }
}

function corrupt(path: string, problem: string, cause?: unknown): DomainError {
  return new DomainError("state-corrupt", `${path} ${problem}; install the credential again`, {
    cause,
  });
}
