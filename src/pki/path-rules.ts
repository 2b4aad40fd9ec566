import { isAuthorityCertificate, isProbeCertificate, isSelfIssued } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { formatTime } from "./civil-time.ts";
import { isKnownExtension } from "./extensions.ts";
import { certificateIsForHost } from "./host-name.ts";
import { constraintProblem } from "./name-constraints.ts";
import type { NameConstraints } from "./name-constraints.ts";
import { oid } from "./oid.ts";
import { publicKeyText } from "./public-key.ts";

/** The rules of path validation, as they are named in a failure. */
export type PathRule =
  | "issuer-unknown"
  | "signature"
  | "search-limit"
  | "denied"
  | "not-yet-valid"
  | "expired"
  | "critical-extension"
  | "weak-key"
  | "not-an-authority"
  | "key-usage"
  | "path-length"
  | "name-constraints"
  | "probe-certificate"
  | "extended-key-usage"
  | "host";

/** What a path is checked for. */
export interface PathPolicy {
  /** The moment at which every certificate must be valid. */
  readonly atMs: number;
  /** What the leaf is used for. */
  readonly purpose: "serverAuth" | "clientAuth";
  /** Further extended key usages (dotted OIDs) that the leaf must name, such as its role's. */
  readonly requireUsages?: readonly string[];
  /** The DNS name or IP address that the leaf must be for. */
  readonly host?: string;
  /** True for a certificate on the deny list. */
  readonly denied?: (certificate: Certificate) => boolean;
  /** Only for proving trust: accept a probe certificate as the leaf. */
  readonly allowProbe?: boolean;
}

export interface Problem {
  readonly rule: PathRule;
  readonly message: string;
}

const modulusBitsMin = 2048;

/**
 * Checks a path whose names and signatures fit together, from its anchor down (RFC 5280 6.1, with
 * the anchor held to the same rules). Returns the first problem and the certificate that has it,
 * as its index in `path`, which begins with the leaf; null if there is none.
 */
export function pathProblem(
  path: readonly Certificate[],
  policy: PathPolicy,
): (Problem & { readonly index: number }) | null {
  const constraints: NameConstraints[] = [];
  let authoritiesLeft = Number.POSITIVE_INFINITY;
  for (let index = path.length - 1; index >= 0; index--) {
    const certificate = path[index] as Certificate;
    const isAnchor = index === path.length - 1;
    const spendsLength = index > 0 && !isAnchor && !isSelfIssued(certificate);
    if (spendsLength && authoritiesLeft-- <= 0) {
      return {
        index,
        rule: "path-length",
        message: "there are more authorities above it than one of them allows",
      };
    }
    const problem =
      generalProblem(certificate, policy) ??
      constraintsProblem(certificate, index, constraints) ??
      (index > 0 ? authorityProblem(certificate, policy) : leafProblem(certificate, policy));
    if (problem !== null) return { index, ...problem };
    const { basicConstraints, nameConstraints } = certificate.extensions;
    authoritiesLeft = Math.min(authoritiesLeft, basicConstraints?.pathLength ?? authoritiesLeft);
    if (nameConstraints !== null) constraints.push(nameConstraints);
  }
  return null;
}

function generalProblem(certificate: Certificate, policy: PathPolicy): Problem | null {
  const { notBeforeMs, notAfterMs, publicKey, extensions } = certificate;
  if (policy.denied?.(certificate) === true) {
    return { rule: "denied", message: "it is on the deny list" };
  }
  if (policy.atMs < notBeforeMs) {
    return { rule: "not-yet-valid", message: `it is valid from ${formatTime(notBeforeMs)}` };
  }
  // The last second belongs to the validity (RFC 5280 4.1.2.5).
  if (policy.atMs >= notAfterMs + 1000) {
    return { rule: "expired", message: `it expired at ${formatTime(notAfterMs)}` };
  }
  const unknown = extensions.raw.find((each) => each.critical && !isKnownExtension(each.oid));
  if (unknown !== undefined) {
    return {
      rule: "critical-extension",
      message: `its critical extension ${unknown.oid} is not understood`,
    };
  }
  const isWeak = publicKey.kind === "rsa" && publicKey.modulusBits < modulusBitsMin;
  return isWeak || publicKey.kind === "other"
    ? { rule: "weak-key", message: `its key (${publicKeyText(publicKey)}) is not accepted` }
    : null;
}

function constraintsProblem(
  certificate: Certificate,
  index: number,
  constraints: readonly NameConstraints[],
): Problem | null {
  if (index > 0 && isSelfIssued(certificate)) return null;
  const names = certificate.extensions.subjectAltName ?? [];
  for (const constraint of constraints) {
    for (const name of names) {
      const message = constraintProblem(name, constraint);
      if (message !== null) return { rule: "name-constraints", message };
    }
  }
  return null;
}

function authorityProblem(certificate: Certificate, policy: PathPolicy): Problem | null {
  const { keyUsage, extendedKeyUsage } = certificate.extensions;
  if (!isAuthorityCertificate(certificate)) {
    return { rule: "not-an-authority", message: "it signed a certificate and is not an authority" };
  }
  if (keyUsage !== null && !keyUsage.includes("keyCertSign")) {
    return { rule: "key-usage", message: "it may not sign certificates (no keyCertSign)" };
  }
  return usageAllowed(extendedKeyUsage, oid[policy.purpose])
    ? null
    : { rule: "extended-key-usage", message: `it may not issue for ${policy.purpose}` };
}

function leafProblem(certificate: Certificate, policy: PathPolicy): Problem | null {
  const { keyUsage, extendedKeyUsage } = certificate.extensions;
  const { purpose, requireUsages = [], host } = policy;
  if (isProbeCertificate(certificate) && policy.allowProbe !== true) {
    return {
      rule: "probe-certificate",
      message: "it is a probe certificate, which proves trust only",
    };
  }
  if (keyUsage !== null && !keyUsage.includes("digitalSignature")) {
    return { rule: "key-usage", message: "it may not sign a handshake (no digitalSignature)" };
  }
  if (!usageAllowed(extendedKeyUsage, oid[purpose])) {
    return { rule: "extended-key-usage", message: `it is not for ${purpose}` };
  }
  const missing = requireUsages.find((usage) => extendedKeyUsage?.includes(usage) !== true);
  if (missing !== undefined) {
    return { rule: "extended-key-usage", message: `it does not have the key usage ${missing}` };
  }
  return host === undefined || certificateIsForHost(certificate, host)
    ? null
    : { rule: "host", message: `it is not for the host ${host}` };
}

/** An extension that is absent restricts nothing (RFC 5280 4.2.1.12). */
function usageAllowed(usages: readonly string[] | null, wanted: string): boolean {
  return usages === null || usages.includes(wanted) || usages.includes(oid.anyExtendedKeyUsage);
}
