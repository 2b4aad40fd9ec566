import type { AuthorityId, HostId, ServiceId } from "../kit/index.ts";
import type { Host } from "./topology.ts";

/** What our own processes show: each other, and those who call a gateway. */
export type ProcessUsage = "management" | "traffic";

/** What an authority's leaves are for: our own processes, or the members of one service. */
export type AuthorityUsage = ProcessUsage | ServiceId;

/** True for the usage of the authorities of a service. */
export function isServiceUsage(usage: AuthorityUsage): usage is ServiceId {
  return usage !== "management" && usage !== "traffic";
}

/**
 * `next` is being introduced; `current` signs new requests (one per usage, enforced by the
 * store); `previous` was current and may sign renewals and rollback of its own leaves; `retired`
 * is trusted by nobody and can be restored for a while; `restored` is trusted again and signs
 * nothing; `abandoned` was rolled back and denied.
 */
export type AuthorityStatus =
  | "next"
  | "current"
  | "previous"
  | "retired"
  | "restored"
  | "abandoned";

/**
 * Where an authority's key comes from, and the domain's way of signing with it: made here; read
 * from a PKCS#12 file of the user's; nowhere near, so that requests are carried to it and certificates back.
 */
export type AuthoritySigning = "generated" | "provided" | "external";

/** Where a key is that was made in a PKCS#11 token, and never leaves it. */
export interface KeyInToken {
  /** The labels of the token and of the key in it. */
  readonly token: string;
  readonly label: string;
}

export interface Authority {
  readonly id: AuthorityId;
  readonly usage: AuthorityUsage;
  readonly signing: AuthoritySigning;
  readonly status: AuthorityStatus;
  /** Subject of its certificate, RFC 4514 text. */
  readonly subject: string;
  readonly certificatePem: string;
  /** The certificates between it and its leaves, the leaves' issuer first; empty: it issues them itself. */
  readonly intermediatesPem: string;
  /** This authority's key certified by its predecessor, for those who trust only that one. */
  readonly crossCertificatePem: string | null;
  /** Hex SHA-256 of the certificate and of the cross-certificate. */
  readonly fingerprint: string;
  readonly crossFingerprint: string | null;
  readonly predecessor: AuthorityId | null;
  readonly notAfterMs: number;
  readonly createdAtMs: number;
  readonly retiredAtMs: number | null;
  /** The hosts whose Admin Node Managers hold its key, or are to hold it. */
  readonly holders: readonly HostId[];
  /** Absent: its key is a file in the home of each holder. */
  readonly token?: KeyInToken;
}

/** What a signature is wanted for; decides which authorities may give it. */
export type SigningPurpose = "new-request" | "renewal-or-rollback" | "probe";

/** May an authority of this status sign for this purpose? Only the current one signs what is new. */
export function maySign(status: AuthorityStatus, purpose: SigningPurpose): boolean {
  switch (status) {
    case "current":
      return true;
    case "next":
      return purpose === "probe";
    case "previous":
      return purpose !== "new-request";
    case "retired":
    case "restored":
    case "abandoned":
      return false;
  }
}

/**
 * True where no Admin Node Manager holds the key of what a user provided, or of an external CA:
 * requests wait until their certificates are brought.
 */
export function isSignedElsewhere({
  signing,
  holders,
}: Pick<Authority, "signing" | "holders">): boolean {
  return signing !== "generated" && holders.length === 0;
}

/** The hosts whose Admin Node Managers can sign with the authority's key. */
export function holdersOf({ holders }: Pick<Authority, "holders">, hosts: readonly Host[]): Host[] {
  return hosts.filter(
    ({ id, status, nodeManager }) =>
      nodeManager.isAdmin && status === "active" && holders.includes(id),
  );
}
