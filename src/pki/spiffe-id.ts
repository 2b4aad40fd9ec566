import { DomainError } from "../kit/index.ts";
import type { TbsCertificate } from "./certificate.ts";
import type { CertificateRole } from "./profiles.ts";

/** Who a process is: the URI among its alternative names. */
export interface SpiffeId {
  /** Lower-case, like a DNS name. */
  readonly trustDomain: string;
  readonly role: CertificateRole;
  /** The host or instance. */
  readonly id: string;
}

const pattern = /^spiffe:\/\/([a-z0-9._-]{1,253})\/(anm|nm|gateway)\/([A-Za-z0-9._-]{1,128})$/;

/** `spiffe://<trust-domain>/<role>/<id>`; a DomainError `invalid-name` if a part cannot stand there. */
export function formatSpiffeId({ trustDomain, role, id }: SpiffeId): string {
  const uri = `spiffe://${trustDomain}/${role}/${id}`;
  if (pattern.test(uri)) return uri;
  throw new DomainError(
    "invalid-name",
    `"${uri}" cannot be an identity; use letters, digits, ".", "-" and "_", the trust domain in lower case`,
  );
}

/** The parts of such a URI, null if it is not one of ours. */
export function parseSpiffeId(uri: string): SpiffeId | null {
  const [, trustDomain, role, id] = pattern.exec(uri) ?? [];
  return trustDomain === undefined || role === undefined || id === undefined
    ? null
    : { trustDomain, role: role as CertificateRole, id };
}

/**
 * The identity in a certificate. Null if it has none, and also if it has more than one SPIFFE URI,
 * which the X.509-SVID standard (section 2) tells validators to refuse.
 */
export function spiffeIdOf(certificate: TbsCertificate): SpiffeId | null {
  const uris = (certificate.extensions.subjectAltName ?? []).flatMap((name) =>
    name.type === "uri" && name.value.toLowerCase().startsWith("spiffe:") ? [name.value] : [],
  );
  const [only] = uris;
  return only === undefined || uris.length > 1 ? null : parseSpiffeId(only);
}
