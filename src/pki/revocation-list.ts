import { DomainError } from "../kit/index.ts";
import { plainBytes } from "./bytes.ts";
import type { Certificate } from "./certificate.ts";
import { readTime } from "./civil-time.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import { namesEqual, parseName, type Name } from "./name.ts";
import {
  algorithmFitsKey,
  signatureAlgorithmOf,
  type SignatureAlgorithm,
} from "./signature-algorithm.ts";

/** What is needed of a certificate revocation list to know whose it is and how long it holds. */
export interface RevocationList {
  /** TBSCertList: the bytes that are signed. */
  readonly tbs: Uint8Array;
  readonly issuer: Name;
  readonly thisUpdateMs: number;
  /** Null where it names no end, which RFC 5280 (section 5.1.2.5) does not allow. */
  readonly nextUpdateMs: number | null;
  /** Null where it is not one that is accepted here. */
  readonly signatureAlgorithm: SignatureAlgorithm | null;
  readonly signature: Uint8Array;
}

/** Reads a list in DER (RFC 5280 section 5.1); `invalid-input` if that is not what `der` is. */
export function parseRevocationList(der: Uint8Array): RevocationList {
  try {
    const outer = new DerReader(plainBytes(der));
    const reader = outer.enter(derTag.sequence);
    outer.finish();
    const tbs = reader.element(derTag.sequence);
    const signatureAlgorithm = signatureAlgorithmOf(reader.element(derTag.sequence));
    const signature = reader.wholeBitString();
    reader.finish();
    const fields = new DerReader(tbs).enter(derTag.sequence);
    if (fields.nextTag === derTag.integer) fields.integer();
    fields.element(derTag.sequence);
    const issuer = parseName(fields.element(derTag.sequence));
    const thisUpdateMs = readTime(fields);
    const isTime = fields.nextTag === derTag.utcTime || fields.nextTag === derTag.generalizedTime;
    const nextUpdateMs = isTime ? readTime(fields) : null;
    return { tbs, issuer, thisUpdateMs, nextUpdateMs, signatureAlgorithm, signature };
  } catch (cause) {
    throw new DomainError(
      "invalid-input",
      "this is not a certificate revocation list that can be read",
      { cause },
    );
  }
}

/** Whether a CA has issued the list: its name, and a signature by its key. */
export function isRevocationListOf(
  { issuer, tbs, signature, signatureAlgorithm }: RevocationList,
  authority: Certificate,
  crypto: Pick<CryptoPort, "verify">,
): boolean {
  return (
    namesEqual(issuer, authority.subject) &&
    signatureAlgorithm !== null &&
    algorithmFitsKey(signatureAlgorithm, authority.publicKey) &&
    crypto.verify(authority.spki, tbs, signature, signatureAlgorithm)
  );
}
