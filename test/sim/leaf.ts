import { assert, type AuthorityId } from "../../src/kit/index.ts";
import type { PeerCertificate, Role } from "../../src/domain/index.ts";
import type { LeafJob } from "../../src/control/index.ts";
import type { GenerationFacts } from "../../src/node/converge.ts";

/** A leaf certificate, real or symbolic, as peers see it, and who issued it. */
export interface Leaf extends Omit<PeerCertificate, "chainFailure" | "issuerFingerprints"> {
  readonly serial: string;
  readonly issuerPem: string;
  /** A real certificate's bytes; null for a symbolic one. */
  readonly der: Uint8Array | null;
}

/** A leaf with its place in the history of its credential: what agents keep on disk. */
export interface Generation extends GenerationFacts {
  readonly leaf: Leaf;
  /** The name of its private key; the simulated proof of possession. */
  readonly key: string;
}

/** A credential folder: complete generations, and which one is presented. */
export interface Folder {
  readonly generations: Map<number, Generation>;
  current: number | null;
}

export function emptyFolder(): Folder {
  return { generations: new Map(), current: null };
}

export function currentOf(folder: Folder): Generation | null {
  return folder.current === null ? null : (folder.generations.get(folder.current) ?? null);
}

/** What a process presents under one authority. */
export interface Presented {
  readonly leaf: Leaf;
  readonly authorityId: AuthorityId;
}

const rolesOf: Readonly<Record<LeafJob["profile"], readonly Role[]>> = {
  anm: ["nm", "anm"],
  nm: ["nm"],
  gateway: ["gateway"],
  traffic: [],
  member: [],
};

/** A symbolic leaf as its job describes it. */
export function symbolicLeaf(job: LeafJob, serial: string, spki: string): Leaf {
  const { alternativeNames, notBeforeMs, notAfterMs, isProbe, issuerPem } = job;
  return {
    serial,
    uris: alternativeNames.flatMap((name) => (name.startsWith("URI:") ? [name.slice(4)] : [])),
    roles: rolesOf[job.profile],
    keyFingerprint: spki,
    certificateFingerprint: `leaf ${job.authorityId} ${serial}`,
    notBeforeMs,
    notAfterMs,
    isProbe,
    issuerPem,
    der: null,
  };
}

/** The symbolic request for a key, and the key in it. The text before the block counts for nothing else. */
export function keyOfRequest(requestPem: string): string {
  const [, key] = /^key: (\S+)\n/.exec(requestPem) ?? [];
  assert(key !== undefined, "a symbolic request names its key");
  return key;
}
