import { DomainError, type AuthorityId, type HostId, type ProcessId } from "../kit/index.ts";
import type { AuthoritySigning, AuthorityUsage } from "./authority.ts";
import type { Role } from "./roles.ts";

/** Signed bytes. `signature` covers a context prefix and the payload; see `keys/signed-envelope`. */
export interface Envelope {
  /** Base64 of the UTF-8 JSON document. */
  readonly payload: string;
  readonly signature: string;
  /** Hex SHA-256 of the SPKI of the key that signed. */
  readonly keyId: string;
}

/**
 * One link of the trust chain: everything that every process of the domain must agree on. Each
 * names the hash of the one before, so a host that was away can verify every step it missed.
 */
export interface TrustDocument {
  readonly domain: string;
  readonly epoch: number;
  /** Hex SHA-256 of the previous link's payload; null for the first. */
  readonly previous: string | null;
  readonly issuedAtMs: number;
  readonly anchors: readonly Anchor[];
  readonly denied: readonly Denial[];
  readonly admins: readonly KnownProcess[];
  /** SPKI (base64 DER) of the key that signs the next link. */
  readonly signingKey: string;
}

/** A CA certificate that is trusted for one usage, and its cross-certificate where one is in use. */
export interface Anchor {
  readonly authorityId: AuthorityId;
  readonly usage: AuthorityUsage;
  /** How the domain signs with it; absent: with a key that was made here. */
  readonly signing?: AuthoritySigning;
  readonly certificatePem: string;
  /** Presenters append these to the leaves of this authority; absent: it issues them itself. */
  readonly intermediatesPem?: string;
  /** Presenters append it to the leaves of this authority; absent once the predecessor is retired. */
  readonly crossCertificatePem: string | null;
}

/** Refused whatever its chain says: a key (SPKI), or a certificate (DER), by hex SHA-256. */
export interface Denial {
  readonly kind: "key" | "certificate";
  readonly fingerprint: string;
  readonly reason: string;
}

/** A process with the keys that its peers accept for it. */
export interface KnownProcess {
  readonly id: ProcessId;
  readonly role: Role;
  readonly hostId: HostId;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Hex SHA-256 of each accepted SubjectPublicKeyInfo. */
  readonly keys: readonly string[];
}

/** What one host needs beside the trust document: its own processes and their keys. */
export interface HostDocument {
  readonly domain: string;
  readonly hostId: HostId;
  /** Rises with every change; a lower one than the last seen is refused. */
  readonly version: number;
  readonly processes: readonly KnownProcess[];
}

/** The certificates trusted for a usage. */
export function anchorsFor(trust: TrustDocument, usage: AuthorityUsage): Anchor[] {
  return trust.anchors.filter((anchor) => anchor.usage === usage);
}

/**
 * Checks that `next` may follow `current` (null: `next` is the first that is ever seen, accepted
 * because its signer is pinned). The signature and the hash of `current` are checked by the caller
 * and passed in. Throws `stale-epoch` or `signature-invalid`.
 */
export function checkSuccession(
  current: { readonly document: TrustDocument; readonly hash: string } | null,
  next: TrustDocument,
): void {
  if (current === null) return;
  if (next.domain !== current.document.domain) {
    throw new DomainError(
      "signature-invalid",
      `the trust document belongs to domain ${next.domain}, not ${current.document.domain}`,
    );
  }
  if (next.epoch !== current.document.epoch + 1) {
    throw new DomainError(
      "stale-epoch",
      `trust epoch ${next.epoch} does not follow epoch ${current.document.epoch}, which is already loaded`,
      {
        context: { offered: next.epoch, loaded: current.document.epoch },
      },
    );
  }
  if (next.previous !== current.hash) {
    throw new DomainError(
      "signature-invalid",
      `trust epoch ${next.epoch} does not follow the loaded epoch ${current.document.epoch}: the Admin Node Manager's store was restored from an older backup, \`gatehouse findings\` there says what to do`,
    );
  }
}
