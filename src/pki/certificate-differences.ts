import { toHex } from "../kit/index.ts";
import { bytesEqual } from "./bytes.ts";
import { isAuthorityCertificate, spkiFingerprint } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { formatGeneralName } from "./general-name.ts";
import type { GeneralName } from "./general-name.ts";
import { formatName } from "./name-text.ts";
import { nameKey, namesEqual } from "./name.ts";
import type { Name } from "./name.ts";
import { usageName } from "./oid.ts";
import { publicKeyText } from "./public-key.ts";
import type { CertificateRequest } from "./request.ts";

/** One thing that a certificate should say and what it says instead, as text for people. */
export interface CertificateDifference {
  readonly field:
    | "serial number"
    | "public key"
    | "subject"
    | "order of the subject"
    | "subject alternative name"
    | "key usage"
    | "extended key usage"
    | "basic constraints"
    | "validity"
    | "chain";
  readonly wanted: string;
  readonly got: string;
}

/** What stands for a value that is not there. */
const absent = "nothing";

/**
 * What an issuer changed: every point in which `certificate` is not what `request` asks for. Names
 * are compared by their meaning, not their encoding (RFC 5280 7.1), but in their order. Usages are
 * compared where the request asks for any.
 */
export function differencesFromRequest(
  request: CertificateRequest,
  certificate: Certificate,
  crypto: Pick<CryptoPort, "sha256">,
): CertificateDifference[] {
  const wanted = request.extensions;
  const got = certificate.extensions;
  return [
    ...keyDifference(request, certificate, crypto),
    ...subjectDifference(request.subject, certificate.subject),
    ...alternativeNameDifferences(wanted.subjectAltName ?? [], got.subjectAltName ?? []),
    ...usageDifference("key usage", wanted.keyUsage, got.keyUsage),
    ...usageDifference("extended key usage", wanted.extendedKeyUsage, got.extendedKeyUsage),
    ...authorityDifference(wanted.basicConstraints?.isAuthority === true, certificate),
  ];
}

function keyDifference(
  request: CertificateRequest,
  certificate: Certificate,
  crypto: Pick<CryptoPort, "sha256">,
): CertificateDifference[] {
  if (bytesEqual(request.spki, certificate.spki)) return [];
  const text = ({ spki, publicKey }: Pick<Certificate, "spki" | "publicKey">): string =>
    `${publicKeyText(publicKey)}, SHA-256 ${spkiFingerprint(spki, crypto).slice(0, 32)}`;
  return [{ field: "public key", wanted: text(request), got: text(certificate) }];
}

function subjectDifference(wanted: Name, got: Name): CertificateDifference[] {
  if (namesEqual(wanted, got)) return [];
  const field = sortedKey(wanted) === sortedKey(got) ? "order of the subject" : "subject";
  return [{ field, wanted: formatName(wanted) || absent, got: formatName(got) || absent }];
}

/** What two names share if they have the same parts, whatever their order. */
function sortedKey(name: Name): string {
  return name.rdns
    .map((rdn) => nameKey({ der: name.der, rdns: [rdn] }))
    .sort()
    .join();
}

function alternativeNameDifferences(
  wanted: readonly GeneralName[],
  got: readonly GeneralName[],
): CertificateDifference[] {
  const field = "subject alternative name";
  const beyond = (names: readonly GeneralName[], known: readonly GeneralName[]): string[] => {
    const keys = new Set(known.map(generalNameKey));
    return names.filter((name) => !keys.has(generalNameKey(name))).map(formatGeneralName);
  };
  return [
    ...beyond(wanted, got).map((name) => ({ field, wanted: name, got: absent }) as const),
    ...beyond(got, wanted).map((name) => ({ field, wanted: absent, got: name }) as const),
  ];
}

/** A text that two alternative names share exactly if they mean the same. */
function generalNameKey(name: GeneralName): string {
  switch (name.type) {
    case "directory":
      return `directory ${nameKey(name.name)}`;
    case "other":
      return `other ${toHex(name.der)}`;
    case "dns":
      return `dns ${name.value.toLowerCase()}`;
    default:
      return `${name.type} ${name.value}`;
  }
}

function usageDifference(
  field: "key usage" | "extended key usage",
  wanted: readonly string[] | null,
  got: readonly string[] | null,
): CertificateDifference[] {
  if (wanted === null) return [];
  const text = (usages: readonly string[] | null): string =>
    [...(usages ?? [])].map(usageName).sort().join(", ") || absent;
  return text(wanted) === text(got) ? [] : [{ field, wanted: text(wanted), got: text(got) }];
}

function authorityDifference(wanted: boolean, certificate: Certificate): CertificateDifference[] {
  const got = isAuthorityCertificate(certificate);
  const text = (isAuthority: boolean): string => (isAuthority ? "CA:TRUE" : "CA:FALSE");
  return wanted === got
    ? []
    : [{ field: "basic constraints", wanted: text(wanted), got: text(got) }];
}
