import { DomainError } from "../kit/index.ts";
import { berToDer } from "./ber.ts";
import { parseCertificate } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { latin1Decode } from "./characters.ts";
import { DerReader } from "./der-read.ts";
import { contextConstructed, derTag } from "./der-tags.ts";
import { oid } from "./oid.ts";
import { decodePem } from "./pem.ts";
import { parseRequest } from "./request.ts";

/**
 * Every certificate in a file, in its order, whatever its form: PEM with one or many, DER, or
 * PKCS#7 (RFC 5652 5.1) in DER, BER or PEM. A DomainError `invalid-input` that says what the file is instead,
 * with `what` as its name.
 */
export function readCertificates(bytes: Uint8Array, what: string): Certificate[] {
  const found = isBinary(bytes) ? fromDer(bytes) : fromPem(latin1Decode(bytes));
  if (found.length > 0) return found;
  throw new DomainError("invalid-input", `${what} has no certificate: it is ${kindOfFile(bytes)}`);
}

/** True for a SEQUENCE, long or as long as the file: what each binary form is, and no text. */
function isBinary(bytes: Uint8Array): boolean {
  const [tag, length = 0] = bytes;
  return tag === derTag.sequence && (length >= 0x80 || length === bytes.length - 2);
}

const certificateLabels = new Set(["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]);
const pkcs7Labels = new Set(["PKCS7", "CMS"]);

function fromPem(text: string): Certificate[] {
  return decodePem(text).flatMap(({ label, bytes }) => {
    if (pkcs7Labels.has(label)) return fromPkcs7(bytes) ?? [];
    if (!certificateLabels.has(label)) return [];
    // OpenSSL's trusted form has its own notes after the certificate.
    return [parseCertificate(new DerReader(bytes).element(derTag.sequence))];
  });
}

function fromDer(bytes: Uint8Array): Certificate[] {
  return fromPkcs7(bytes) ?? attempt(() => [parseCertificate(bytes)]) ?? [];
}

/** The certificates of a SignedData; null if that is not what `bytes` are. */
function fromPkcs7(bytes: Uint8Array): Certificate[] | null {
  const certificates = attempt(() => {
    const reader = new DerReader(berToDer(bytes)).enter(derTag.sequence);
    if (reader.oid() !== oid.signedData) return null;
    const signedData = reader.enter(contextConstructed(0)).enter(derTag.sequence);
    signedData.smallInteger();
    signedData.element(derTag.set);
    signedData.element(derTag.sequence);
    return signedData.enterOptional(contextConstructed(0));
  });
  if (certificates === null) return null;
  const found: Certificate[] = [];
  while (!certificates.atEnd) found.push(parseCertificate(certificates.element()));
  return found;
}

/** How files with certificates are usually called. */
const certificateExtensions = new Set([
  ".pem",
  ".crt",
  ".cer",
  ".cert",
  ".der",
  ".p7b",
  ".p7c",
  ".p7s",
  ".spc",
]);

/**
 * True for a file without a readable certificate that was meant to hold one, by what it says or by
 * its extension (".crt"); false for what is known to be something else, as a request or a key.
 */
export function isMeantAsCertificates(bytes: Uint8Array, extension: string): boolean {
  const labels = [...latin1Decode(bytes).matchAll(/-----BEGIN ([^\n-]*)-----/g)];
  if (labels.some(([, label = ""]) => certificateLabels.has(label) || pkcs7Labels.has(label)))
    return true;
  const isOther = isBinary(bytes) ? attempt(() => kindOfDer(bytes)) !== null : labels.length > 0;
  return !isOther && certificateExtensions.has(extension);
}

/** What a file without a certificate is, for a message. */
export function kindOfFile(bytes: Uint8Array): string {
  if (isBinary(bytes)) return attempt(() => kindOfDer(bytes)) ?? "not a file of a known form";
  const text = latin1Decode(bytes);
  if (text.trim() === "") return "empty";
  const labels = [...text.matchAll(/-----BEGIN ([^\n-]*)-----/g)].map(([, label = ""]) => label);
  if (labels.length > 0) return labels.map(kindOfBlock).join(" and ");
  if (/^\s*<(!doctype html|html|head|body)/i.test(text)) return "an HTML page";
  return /^\s*<\?xml/i.test(text) ? "an XML document" : "not a file of a known form";
}

function kindOfBlock(label: string): string {
  if (label.endsWith("CERTIFICATE REQUEST")) return "a certificate request (CSR)";
  if (label.endsWith("PRIVATE KEY")) return "a private key";
  if (label.endsWith("PUBLIC KEY")) return "a public key";
  if (label === "X509 CRL") return "a list of revoked certificates (CRL)";
  return pkcs7Labels.has(label) ? "a PKCS#7 without certificates" : `a PEM block "${label}"`;
}

function kindOfDer(bytes: Uint8Array): string | null {
  if (attempt(() => parseCertificate(bytes)) !== null) return "a certificate";
  if (attempt(() => parseRequest(bytes)) !== null) return "a certificate request (CSR)";
  const reader = new DerReader(berToDer(bytes)).enter(derTag.sequence);
  const tag: number = reader.nextTag;
  if (tag === derTag.oid) {
    return reader.oid() === oid.signedData ? "a PKCS#7 without certificates" : null;
  }
  if (tag === derTag.sequence) {
    reader.element();
    return reader.enterOptional(derTag.octetString) === null ? null : "an encrypted private key";
  }
  const version = reader.smallInteger();
  const isData = version === 3 && reader.enter(derTag.sequence).oid() === oid.data;
  if (isData) return "a PKCS#12 container (P12)";
  const isKey = version === 0 || (version === 1 && reader.nextTag === derTag.octetString);
  return isKey ? "a private key" : null;
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof DomainError) return null;
    throw error;
  }
}
