import { DomainError } from "../kit/index.ts";
import { toHex } from "../kit/index.ts";
import { plainBytes } from "./bytes.ts";
import { readTime } from "./civil-time.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { DerReader } from "./der-read.ts";
import { contextConstructed, contextPrimitive, derTag } from "./der-tags.ts";
import { noExtensions, readExtensions } from "./extensions.ts";
import type { Extensions } from "./extensions.ts";
import { formatName } from "./name-text.ts";
import { namesEqual, parseName } from "./name.ts";
import type { Name } from "./name.ts";
import { oid } from "./oid.ts";
import { decodePem } from "./pem.ts";
import { describePublicKey } from "./public-key.ts";
import type { PublicKeyInfo } from "./public-key.ts";
import { algorithmOid, signatureAlgorithmOf } from "./signature-algorithm.ts";
import type { SignatureAlgorithm } from "./signature-algorithm.ts";
import type { Validity } from "./validity.ts";

/** The part of a certificate that is signed (RFC 5280 4.1.2). All byte fields are views into it. */
export interface TbsCertificate extends Validity {
  /** The signed bytes themselves. */
  readonly tbs: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** The INTEGER's content. */
  readonly serial: Uint8Array;
  /** `serial` in lower-case hexadecimal, without the leading zero octet that DER may need. */
  readonly serialHex: string;
  readonly subject: Name;
  readonly issuer: Name;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly publicKey: PublicKeyInfo;
  /** Null where it is not one that is accepted here; see `signatureAlgorithmOid`. */
  readonly signatureAlgorithm: SignatureAlgorithm | null;
  readonly signatureAlgorithmOid: string;
  readonly extensions: Extensions;
}

export interface Certificate extends TbsCertificate {
  readonly der: Uint8Array;
  readonly signature: Uint8Array;
}

/** Reads one certificate in DER; a DomainError `invalid-input` if that is not what `der` is. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    const bytes = plainBytes(der);
    const outer = new DerReader(bytes);
    const reader = outer.enter(derTag.sequence);
    outer.finish();
    const tbs = parseTbs(reader.element(derTag.sequence));
    const algorithm = reader.element(derTag.sequence);
    const isSameAlgorithm =
      algorithmOid(algorithm) === tbs.signatureAlgorithmOid &&
      signatureAlgorithmOf(algorithm) === tbs.signatureAlgorithm;
    if (!isSameAlgorithm) {
      throw new DomainError(
        "invalid-input",
        "its two signature algorithms differ (RFC 5280 4.1.1.2)",
      );
    }
    const signature = reader.wholeBitString();
    reader.finish();
    return { ...tbs, der: bytes, signature };
  } catch (cause) {
    throw new DomainError("invalid-input", "this is not an X.509 certificate that can be read", {
      cause,
    });
  }
}

/** Reads every certificate in PEM `text`, in order; other blocks are skipped. */
export function parseCertificatesPem(text: string): Certificate[] {
  return decodePem(text)
    .filter(({ label }) => label === "CERTIFICATE")
    .map(({ bytes }) => parseCertificate(bytes));
}

/** Reads a TBSCertificate on its own: what the lints look at before anything is signed. */
export function parseTbs(tbs: Uint8Array): TbsCertificate {
  const reader = new DerReader(tbs).enter(derTag.sequence);
  const versionReader = reader.enterOptional(contextConstructed(0));
  const version = (versionReader?.smallInteger() ?? 0) + 1;
  if (version !== 1 && version !== 2 && version !== 3) {
    throw new DomainError("invalid-input", `there is no certificate version ${version}`);
  }
  const serial = reader.integer();
  const algorithm = reader.element(derTag.sequence);
  const issuer = parseName(reader.element(derTag.sequence));
  const validity = reader.enter(derTag.sequence);
  const notBeforeMs = readTime(validity);
  const notAfterMs = readTime(validity);
  validity.finish();
  const subject = parseName(reader.element(derTag.sequence));
  const spki = reader.element(derTag.sequence);
  for (const tag of [contextPrimitive(1), contextPrimitive(2)]) {
    if (reader.nextTag === tag) reader.element();
  }
  const extensionsReader = reader.enterOptional(contextConstructed(3));
  const extensions = extensionsReader === null ? noExtensions : readExtensions(extensionsReader);
  extensionsReader?.finish();
  reader.finish();
  return {
    tbs,
    version,
    serial,
    serialHex: serialHexOf(serial),
    subject,
    issuer,
    notBeforeMs,
    notAfterMs,
    spki,
    publicKey: describePublicKey(spki),
    signatureAlgorithm: signatureAlgorithmOf(algorithm),
    signatureAlgorithmOid: algorithmOid(algorithm),
    extensions,
  };
}

/** The text form of a serial number from its INTEGER content. */
function serialHexOf(serial: Uint8Array): string {
  return toHex(serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial);
}

/** `CN=a,OU=b (serial 0a1b)`: a certificate in a message. */
export function certificateText(certificate: TbsCertificate): string {
  return `${formatName(certificate.subject) || "(no subject)"} (serial ${certificate.serialHex})`;
}

/** SHA-256 of the whole certificate, hexadecimal. */
export function certificateFingerprint(
  certificate: Pick<Certificate, "der">,
  crypto: Pick<CryptoPort, "sha256">,
): string {
  return toHex(crypto.sha256(certificate.der));
}

/** SHA-256 of a SubjectPublicKeyInfo (DER), hexadecimal: what names a key. */
export function spkiFingerprint(spki: Uint8Array, crypto: Pick<CryptoPort, "sha256">): string {
  return toHex(crypto.sha256(spki));
}

/** True if the certificate may act as a certificate authority. */
export function isAuthorityCertificate(certificate: TbsCertificate): boolean {
  return certificate.extensions.basicConstraints?.isAuthority === true;
}

/** True if subject and issuer are the same name: a root, or a rollover of one. */
export function isSelfIssued(certificate: TbsCertificate): boolean {
  return namesEqual(certificate.subject, certificate.issuer);
}

/**
 * True if it was made to prove trust during a rollout only. Every other use of a probe
 * certificate has to be refused.
 */
export function isProbeCertificate(certificate: TbsCertificate): boolean {
  return certificate.extensions.raw.some((each) => each.oid === oid.probeCertificate);
}
