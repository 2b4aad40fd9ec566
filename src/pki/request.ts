import { DomainError } from "../kit/index.ts";
import { plainBytes } from "./bytes.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { DerReader } from "./der-read.ts";
import { contextConstructed, derTag } from "./der-tags.ts";
import { noExtensions, readExtensions } from "./extensions.ts";
import type { Extensions } from "./extensions.ts";
import { parseName } from "./name.ts";
import type { Name } from "./name.ts";
import { oid } from "./oid.ts";
import { decodeOnePem } from "./pem.ts";
import { describePublicKey } from "./public-key.ts";
import type { PublicKeyInfo } from "./public-key.ts";
import { algorithmFitsKey, algorithmOid, signatureAlgorithmOf } from "./signature-algorithm.ts";
import type { SignatureAlgorithm } from "./signature-algorithm.ts";

/** A certification request, PKCS#10 (RFC 2986). Its byte fields are views into `der`. */
export interface CertificateRequest {
  readonly der: Uint8Array;
  /** CertificationRequestInfo: the bytes that are signed. */
  readonly info: Uint8Array;
  readonly subject: Name;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly publicKey: PublicKeyInfo;
  /** What it asks for in its extensionRequest attribute. */
  readonly extensions: Extensions;
  /** Null where it is not one that is accepted here. */
  readonly signatureAlgorithm: SignatureAlgorithm | null;
  readonly signatureAlgorithmOid: string;
  readonly signature: Uint8Array;
}

/** Reads one request in DER; a DomainError `invalid-input` if that is not what `der` is. */
export function parseRequest(der: Uint8Array): CertificateRequest {
  try {
    const bytes = plainBytes(der);
    const outer = new DerReader(bytes);
    const reader = outer.enter(derTag.sequence);
    outer.finish();
    const info = reader.element(derTag.sequence);
    const algorithm = reader.element(derTag.sequence);
    const signature = reader.wholeBitString();
    reader.finish();
    return {
      der: bytes,
      info,
      ...parseInfo(info),
      signatureAlgorithm: signatureAlgorithmOf(algorithm),
      signatureAlgorithmOid: algorithmOid(algorithm),
      signature,
    };
  } catch (cause) {
    throw new DomainError(
      "invalid-input",
      "this is not a certificate request (PKCS#10) that can be read",
      { cause },
    );
  }
}

/** Reads the only request in PEM `text`. */
export function parseRequestPem(text: string): CertificateRequest {
  const labels = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
  return parseRequest(decodeOnePem(text, labels, "the certificate request"));
}

function parseInfo(
  info: Uint8Array,
): Pick<CertificateRequest, "subject" | "spki" | "publicKey" | "extensions"> {
  const reader = new DerReader(info).enter(derTag.sequence);
  if (reader.smallInteger() !== 0) {
    throw new DomainError("invalid-input", "the version of a request must be 0 (RFC 2986 4.1)");
  }
  const subject = parseName(reader.element(derTag.sequence));
  const spki = reader.element(derTag.sequence);
  const attributes = reader.enterOptional(contextConstructed(0));
  reader.finish();
  const extensions = attributes === null ? noExtensions : requestedExtensions(attributes);
  return { subject, spki, publicKey: describePublicKey(spki), extensions };
}

function requestedExtensions(attributes: DerReader): Extensions {
  let extensions: Extensions | null = null;
  while (!attributes.atEnd) {
    const attribute = attributes.enter(derTag.sequence);
    const type = attribute.oid();
    const values = attribute.enter(derTag.set);
    attribute.finish();
    if (type !== oid.extensionRequest) continue;
    if (extensions !== null) {
      throw new DomainError("invalid-input", "the request asks for extensions twice");
    }
    extensions = readExtensions(values);
    values.finish();
  }
  return extensions ?? noExtensions;
}

/** True if the holder of the key in the request signed it: proof of possession. */
export function verifyRequestSignature(
  request: CertificateRequest,
  crypto: Pick<CryptoPort, "verify">,
): boolean {
  const { signatureAlgorithm, publicKey, spki, info, signature } = request;
  return (
    signatureAlgorithm !== null &&
    algorithmFitsKey(signatureAlgorithm, publicKey) &&
    crypto.verify(spki, info, signature, signatureAlgorithm)
  );
}
