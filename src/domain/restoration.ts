import type { HostId } from "../kit/index.ts";

/**
 * That a domain was restored from a backup. Hosts may hold trust and certificates that are newer than
 * the backup; until each was heard of, or waived by name, nothing is published: a second link with a
 * number that some host has seen already would split the trust chain.
 */
export interface Restoration {
  readonly atMs: number;
  /** When the backup was made. */
  readonly backupAtMs: number;
  /** The newest trust epoch in the backup. */
  readonly epoch: number;
  /** The host whose Admin Node Manager was made from it. */
  readonly hostId: HostId;
  readonly heard: readonly HostId[];
  readonly waived: readonly HostId[];
  /** Hex SHA-256 of the keys that this host had before: denied with the first publication. */
  readonly replacedKeys: readonly string[];
  /** What hosts have shown that the backup did not know, and that was taken over. */
  readonly imported: readonly string[];
  /** When the first link after it was published; null: hosts are waited for. */
  readonly completedAtMs: number | null;
}

/**
 * After a restore numbers go on so much higher, so that none that was given out after the backup is
 * given again.
 */
export const restoredNumberGap = 1_000;
/** The same for the versions of host documents and the feed revision. */
export const restoredVersionGap = 1_000_000;

/** What an Admin Node Manager that was restored asks of a host; signed with the trust-signing key. */
export interface RestorationQuestion {
  readonly domain: string;
  /** What the host has sent, so that the question is not an old one. */
  readonly challenge: string;
  readonly nonce: string;
  /** The newest epoch of its store: it wants the links above. */
  readonly after: number;
  /** The certificate that it shows, which no published trust names yet. */
  readonly certificatePem: string;
}

/**
 * The text that a host signs with its last key to say what trust it has loaded, and an Admin Node
 * Manager that was restored verifies.
 */
export function presentationProofText(presentation: {
  readonly hostId: HostId;
  readonly nonce: string;
  readonly epoch: number;
  /** Hex SHA-256 of the loaded link. */
  readonly trustHash: string;
}): string {
  const { hostId, nonce, epoch, trustHash } = presentation;
  return `gatehouse/presentation/v1\n${hostId}\n${nonce}\n${epoch}\n${trustHash}`;
}
