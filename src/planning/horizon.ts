import type { AuthorityId, CredentialId, HostId, ProcessId } from "../kit/index.ts";
import type { AuthorityUsage } from "../domain/index.ts";
import type { Evidence } from "./snapshot.ts";

/** When a credential that nobody renews any more is refused, and for what reason. */
export interface End {
  readonly credential: CredentialId;
  readonly process: ProcessId;
  readonly hostId: HostId;
  readonly usage: AuthorityUsage;
  readonly authorityId: AuthorityId;
  /** End of its certificate, or of the CA that peers trust it by, whichever is first; null: it has none. */
  readonly atMs: number | null;
}

/** How long the domain lasts if nothing is issued from now on. */
export interface Horizon {
  /** The first failure of each process, the earliest first; those without a certificate last. */
  readonly processes: readonly End[];
  /** The first failure under each authority that has leaves: what its loss would lead to. */
  readonly authorities: readonly End[];
}

/**
 * When the first authentication would fail, for each process and under each authority, if every
 * Admin Node Manager, or the authority, were lost now. Certificates count as installed, not as
 * issued: what did not reach its host helps nobody.
 */
export function horizonOf(evidence: Evidence): Horizon {
  const { credentials } = evidence.snapshot;
  const ends = credentials
    .map((credential): End => {
      const { id, process, hostId, usage } = credential;
      const installed = evidence.credentialOf.get(id)?.installed ?? null;
      const authorityId = installed?.authorityId ?? credential.desired.authorityId;
      const atMs = installed && Math.min(installed.notAfterMs, trustEndMs(evidence, authorityId));
      return { credential: id, process, hostId, usage, authorityId, atMs };
    })
    .toSorted((a, b) => (a.atMs ?? Infinity) - (b.atMs ?? Infinity));
  return {
    processes: firstOf(ends, ({ process }) => process),
    authorities: firstOf(
      ends.filter(({ atMs }) => atMs !== null),
      ({ authorityId }) => authorityId,
    ),
  };
}

/** No certificate outlives the root that it is trusted by (RFC 5280, section 6.1.3). */
function trustEndMs({ snapshot }: Evidence, authorityId: AuthorityId): number {
  const isTrusted = snapshot.trust.anchors.some((anchor) => anchor.authorityId === authorityId);
  const authority = snapshot.authorities.find(({ id }) => id === authorityId);
  return isTrusted && authority !== undefined ? authority.notAfterMs : snapshot.nowMs;
}

/** Of sorted ends the first of each kind. */
function firstOf(ends: readonly End[], kindOf: (end: End) => string): End[] {
  const first = new Map<string, End>();
  for (const end of ends) if (!first.has(kindOf(end))) first.set(kindOf(end), end);
  return [...first.values()];
}
