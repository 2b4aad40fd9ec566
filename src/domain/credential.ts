import type { AuthorityId, CredentialId, HostId, ProcessId } from "../kit/index.ts";
import type { AuthorityUsage } from "./authority.ts";
import type { Role } from "./roles.ts";

/**
 * One credential that should exist, with the keys that its peers accept for it. Sequence numbers
 * count the issuances of this credential; the agent's generation folders are named by them.
 */
export interface Credential {
  readonly id: CredentialId;
  readonly process: ProcessId;
  readonly hostId: HostId;
  readonly usage: AuthorityUsage;
  readonly desired: DesiredCredential;
  readonly lastSequence: number;
  readonly recorded: readonly RecordedKey[];
}

/** A generation fits if its authority is this one and its sequence lies in the range. */
export interface DesiredCredential {
  readonly authorityId: AuthorityId;
  readonly minSequence: number;
  /** Set while a rollback wants an earlier generation presented again; otherwise null. */
  readonly maxSequence: number | null;
  /** An authority elsewhere that is to sign the next certificate before it is wanted; absent: none. */
  readonly collects?: AuthorityId;
}

/** A key that peers accept: recorded in the transaction that issued its certificate. */
export interface RecordedKey {
  /** Hex SHA-256 of the SubjectPublicKeyInfo. */
  readonly spki: string;
  readonly serial: string;
  readonly sequence: number;
  readonly authorityId: AuthorityId;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** True once the certificate was seen on the wire. */
  readonly confirmed: boolean;
  /** What the certificate says its process is, where that changed since; absent: what it is now. */
  readonly role?: Role;
}

/** Wants a generation newer than any that exists, from the same authority unless another is given. */
export function wantNewer(
  { desired, lastSequence }: Pick<Credential, "desired" | "lastSequence">,
  authorityId: AuthorityId = desired.authorityId,
): DesiredCredential {
  return { authorityId, minSequence: lastSequence + 1, maxSequence: null };
}

/** `nodemanager-1/management`, `instance-2/traffic`. */
export function credentialId(process: ProcessId, usage: AuthorityUsage): CredentialId {
  return `${process}/${usage}` as CredentialId;
}

/** Does an issuance of this authority and sequence satisfy what is desired? */
export function fits(
  generation: { readonly authorityId: AuthorityId; readonly sequence: number },
  desired: DesiredCredential,
): boolean {
  return (
    generation.authorityId === desired.authorityId &&
    generation.sequence >= desired.minSequence &&
    (desired.maxSequence === null || generation.sequence <= desired.maxSequence)
  );
}

/**
 * The recorded keys after `key` was issued. Confirmed ones stay: they are, or may again be,
 * presented. Of tries that were never seen on the wire only the newest stay.
 */
export function recordIssued(recorded: readonly RecordedKey[], key: RecordedKey): RecordedKey[] {
  const tries = recorded.filter((earlier) => !earlier.confirmed).slice(-triesKeptMax);
  return [...recorded.filter((earlier) => earlier.confirmed), ...tries, key].toSorted(
    (a, b) => a.sequence - b.sequence,
  );
}

/** A holder that lost an answer asks again; the certificate before may still have reached it. */
const triesKeptMax = 2;

/** Marks the key with `serial` as seen on the wire; nothing is forgotten yet. */
export function recordConfirmed(recorded: readonly RecordedKey[], serial: string): RecordedKey[] {
  return recorded.map((key) => (key.serial === serial ? { ...key, confirmed: true } : key));
}

/**
 * The recorded keys without those older than the newest confirmed one that fits what is desired:
 * from then on a copy of an earlier key opens nothing. After a rollback the newest confirmed key
 * does not fit, and the one presented again is older: it stays. Not called while a rollout may
 * still present an earlier generation again.
 */
export function forgetSuperseded({
  desired,
  recorded,
}: Pick<Credential, "desired" | "recorded">): RecordedKey[] {
  const newest = recorded.findLast((key) => key.confirmed && fits(key, desired));
  return newest === undefined
    ? [...recorded]
    : recorded.filter((key) => key.sequence >= newest.sequence);
}
