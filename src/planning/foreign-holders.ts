import type { AuthorityId } from "../kit/index.ts";
import type { Finding } from "../domain/index.ts";
import type { DomainSnapshot } from "./snapshot.ts";

/** A certificate of one of the domain's CAs that no credential has: it was signed outside, by the CA's key. */
export interface ForeignCertificate {
  readonly authorityId: AuthorityId;
  /** Hex. */
  readonly serial: string;
  readonly subject: string;
  /** Hex SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly notAfterMs: number;
}

/** How gates and waivers call the holder of a foreign certificate. */
const prefix = "certificate:";

/** True for the holder of a foreign certificate, as gates and waivers call it. */
export function isForeignSubject(subject: string): boolean {
  return subject.startsWith(prefix);
}

/**
 * Who would be cut off if the authorities were not trusted any more, and reports to nobody: the
 * holders of foreign certificates that have not ended and are not denied.
 */
export function foreignHolders(
  { foreign, trust, nowMs }: Pick<DomainSnapshot, "foreign" | "trust" | "nowMs">,
  authorities: readonly AuthorityId[],
): Finding[] {
  const denied = new Set(
    trust.denied.flatMap((denial) => (denial.kind === "certificate" ? [denial.fingerprint] : [])),
  );
  return foreign
    .filter(
      ({ authorityId, fingerprint, notAfterMs }) =>
        authorities.includes(authorityId) && notAfterMs > nowMs && !denied.has(fingerprint),
    )
    .map(({ serial, subject }) => ({
      code: "foreign-certificate",
      severity: "warning",
      subject: `${prefix}${serial}`,
      text: `${subject} has a certificate (${serial}) that was signed outside of this domain: let its process join and \`gatehouse revoke --serial ${serial} --reason TEXT\`, or give it the new CA and waive ${prefix}${serial}`,
    }));
}
