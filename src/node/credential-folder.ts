import type { KeyObject } from "node:crypto";
import { assert, type AuthorityId } from "../kit/index.ts";
import { parseCertificatesPem } from "../pki/index.ts";
import {
  currentSequence,
  installGeneration,
  listGenerations,
  presentGeneration,
  pruneGenerations,
  readGeneration,
  type Generation,
  type KeyProtection,
} from "../keys/index.ts";
import type { GenerationFacts } from "./converge.ts";

/** What the answer to a request says beside the certificate itself. */
export interface IssuedMeta {
  readonly authorityId: string;
  readonly sequence: number;
  readonly renewFromMs: number;
  readonly renewUntilMs: number;
}

/** Kept for a rollback: the generation before, and one that was installed but never presented. */
const generationsKept = 3;

/** Installs an issued certificate with its key, protected by `keys`, as a generation; it is not presented yet. */
export async function installIssued(
  folder: string,
  { privateKey, keys }: { readonly privateKey: KeyObject; readonly keys: KeyProtection },
  certificatePem: string,
  issued: IssuedMeta,
): Promise<void> {
  const [certificate] = parseCertificatesPem(certificatePem);
  assert(certificate !== undefined, "an issued certificate is there");
  const { serialHex, notBeforeMs, notAfterMs } = certificate;
  const { authorityId, sequence, renewFromMs, renewUntilMs } = issued;
  const meta = {
    serial: serialHex,
    authorityId,
    sequence,
    notBeforeMs,
    notAfterMs,
    renewFromMs,
    renewUntilMs,
  };
  await installGeneration(folder, {
    sequence,
    keyPem: await keys.toPem(privateKey),
    certificatePem,
    chainPem: "",
    meta,
  });
  forget(folder);
}

/** Presents a generation and removes those that are older than any rollback needs. */
export async function presentAndPrune(folder: string, sequence: number): Promise<void> {
  await presentGeneration(folder, sequence);
  await pruneGenerations(folder, generationsKept);
  forget(folder);
}

/** What a credential folder holds: the presented generation and all that are kept. */
export interface FolderFacts {
  readonly current: (GenerationFacts & { readonly serial: string }) | null;
  readonly kept: readonly GenerationFacts[];
}

/** Generations never change once installed: each is read once. */
const factsRead = new Map<string, GenerationFacts & { readonly serial: string }>();
/** A running Node Manager alone writes its credential folders: each is read again when it did. */
const foldersRead = new Map<string, FolderFacts>();
let folderWrites = 0;

function forget(folder: string): void {
  folderWrites += 1;
  foldersRead.delete(folder);
}

export async function readFolder(folder: string): Promise<FolderFacts> {
  const known = foldersRead.get(folder);
  if (known !== undefined) return known;
  const writesBefore = folderWrites;
  const facts = await lookInto(folder);
  if (folderWrites === writesBefore) foldersRead.set(folder, facts);
  return facts;
}

async function lookInto(folder: string): Promise<FolderFacts> {
  const sequenceUsed = await currentSequence(folder);
  const kept = [];
  for (const sequence of await listGenerations(folder)) {
    const key = `${folder}#${sequence}`;
    let facts = factsRead.get(key);
    if (facts === undefined) {
      const generation = await readGeneration(folder, sequence);
      if (generation === null) continue;
      facts = factsOf(generation);
      factsRead.set(key, facts);
    }
    kept.push(facts);
  }
  return { current: kept.find(({ sequence }) => sequence === sequenceUsed) ?? null, kept };
}

function factsOf({ sequence, meta }: Generation): GenerationFacts & { readonly serial: string } {
  return {
    sequence,
    serial: String(meta["serial"]),
    authorityId: String(meta["authorityId"]) as AuthorityId,
    notAfterMs: Number(meta["notAfterMs"]),
    renewFromMs: Number(meta["renewFromMs"]),
    renewUntilMs: Number(meta["renewUntilMs"]),
  };
}
