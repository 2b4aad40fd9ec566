import { DomainError, isDomainError } from "../../kit/index.ts";
import { berToDer } from "../ber.ts";
import { bytesEqual } from "../bytes.ts";
import { parseCertificate } from "../certificate.ts";
import type { Certificate } from "../certificate.ts";
import { DerReader } from "../der-read.ts";
import { contextConstructed, contextPrimitive, derTag } from "../der-tags.ts";
import { oid } from "../oid.ts";
import { digests } from "./algorithms.ts";
import type { Pkcs12Crypto, Pkcs12Hash } from "./crypto.ts";
import { decryptWith, passphraseForms, readIterations } from "./encryption.ts";
import type { PassphraseForms } from "./encryption.ts";
import { deriveBytes, derivedFor, joinBytes } from "./passphrase-key.ts";

/** What is in a container. */
export interface Pkcs12Content {
  /** PrivateKeyInfo (PKCS#8, RFC 5958), DER, decrypted. */
  readonly privateKeys: readonly Uint8Array[];
  readonly certificates: readonly Certificate[];
}

/**
 * Reads a PKCS#12 container (RFC 7292), `what` being its name in a message: PBES2 with AES or
 * 3DES, PBE-SHA1 with 3DES or RC2, MAC with SHA-1 or SHA-2 or none. A DomainError `unauthenticated`
 * for a wrong passphrase, `invalid-input` if it is damaged or no such file.
 */
export function readPkcs12(
  bytes: Uint8Array,
  passphrase: string,
  what: string,
  crypto: Pkcs12Crypto,
): Pkcs12Content {
  try {
    const { content, mac } = readOuter(bytes);
    for (const form of passphraseForms(passphrase)) {
      if (mac !== null && !macFits(mac, content, form, crypto)) continue;
      const found = readSafes(content, form, crypto);
      if (found !== null) return found;
      if (mac !== null) throw new DomainError("invalid-input", partLocked);
    }
  } catch (cause) {
    if (!isDomainError(cause, "invalid-input")) throw cause;
    throw new DomainError(
      "invalid-input",
      `${what} is damaged, or not a PKCS#12 container that can be read`,
      { cause },
    );
  }
  throw new DomainError(
    "unauthenticated",
    passphrase === ""
      ? `${what} is encrypted; give its passphrase`
      : `the passphrase of ${what} is wrong`,
  );
}

interface MacData {
  readonly hash: Pkcs12Hash;
  readonly wanted: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

/** The octets that a container authenticates, and what does it, if anything. */
function readOuter(bytes: Uint8Array): { content: Uint8Array; mac: MacData | null } {
  const reader = new DerReader(berToDer(bytes)).enter(derTag.sequence);
  if (reader.smallInteger() !== 3) {
    throw new DomainError("invalid-input", "the version of a container must be 3");
  }
  const authSafe = reader.enter(derTag.sequence);
  if (authSafe.oid() !== oid.data) {
    throw new DomainError("invalid-input", "only containers with a passphrase are read");
  }
  const content = authSafe.enter(contextConstructed(0)).content(derTag.octetString);
  const mac = reader.enterOptional(derTag.sequence);
  return { content, mac: mac === null ? null : readMac(mac) };
}

function readMac(reader: DerReader): MacData {
  const digestInfo = reader.enter(derTag.sequence);
  const type = digestInfo.enter(derTag.sequence).oid();
  const hash = digests.get(type);
  if (hash === undefined) {
    throw new DomainError("invalid-input", `its MAC algorithm ${type} is not read here`);
  }
  const wanted = digestInfo.content(derTag.octetString);
  const salt = reader.content(derTag.octetString);
  return { hash, wanted, salt, iterations: reader.atEnd ? 1 : readIterations(reader) };
}

function macFits(
  mac: MacData,
  content: Uint8Array,
  passphrase: PassphraseForms,
  crypto: Pkcs12Crypto,
): boolean {
  const { hash, salt, iterations, wanted } = mac;
  const length = wanted.length;
  const derived = { hash, salt, iterations, length, purpose: derivedFor.mac };
  const key = deriveBytes({ ...derived, passphrase: passphrase.wide }, crypto);
  return bytesEqual(crypto.hmac(hash, key, content), wanted);
}

const partLocked =
  "its passphrase fits, but a part of it has another one: export it anew with one passphrase";

class Undecipherable extends Error {}

/** Everything in the safes (RFC 7292 section 4); null where the passphrase does not fit a part. */
function readSafes(
  content: Uint8Array,
  passphrase: PassphraseForms,
  crypto: Pkcs12Crypto,
): Pkcs12Content | null {
  const found = { privateKeys: [] as Uint8Array[], certificates: [] as Certificate[] };
  const decrypt: Decrypt = (algorithm, encrypted) => {
    const plain = decryptWith(algorithm, encrypted, passphrase, crypto);
    const element = plain === null ? null : wholeElement(plain);
    if (element === null) throw new Undecipherable();
    return element;
  };
  const safes = new DerReader(berToDer(content)).enter(derTag.sequence);
  try {
    while (!safes.atEnd) readBags(readSafe(safes.enter(derTag.sequence), decrypt), decrypt, found);
  } catch (error) {
    if (error instanceof Undecipherable) return null;
    throw error;
  }
  return found;
}

type Decrypt = (algorithm: Uint8Array, encrypted: Uint8Array) => Uint8Array;

/** A wrong key can give what looks padded by chance, but hardly ever one whole element. */
function wholeElement(bytes: Uint8Array): Uint8Array | null {
  try {
    return berToDer(bytes);
  } catch (error) {
    if (isDomainError(error, "invalid-input")) return null;
    throw error;
  }
}

/** The SafeContents, DER, of one ContentInfo. */
function readSafe(safe: DerReader, decrypt: Decrypt): Uint8Array {
  const type = safe.oid();
  const explicit = safe.enter(contextConstructed(0));
  if (type === oid.data) return berToDer(explicit.content(derTag.octetString));
  if (type !== oid.encryptedData) {
    throw new DomainError("invalid-input", `a part of it (${type}) is not of a kind that is read`);
  }
  const encryptedData = explicit.enter(derTag.sequence);
  encryptedData.smallInteger();
  const info = encryptedData.enter(derTag.sequence);
  info.oid();
  const algorithm = info.element(derTag.sequence);
  const pieces = info.enterOptional(contextConstructed(0));
  if (pieces === null) return decrypt(algorithm, info.content(contextPrimitive(0)));
  const parts: Uint8Array[] = [];
  while (!pieces.atEnd) parts.push(pieces.content(derTag.octetString));
  return decrypt(algorithm, joinBytes(...parts));
}

function readBags(
  contents: Uint8Array,
  decrypt: Decrypt,
  found: { privateKeys: Uint8Array[]; certificates: Certificate[] },
): void {
  const bags = new DerReader(contents).enter(derTag.sequence);
  while (!bags.atEnd) {
    const bag = bags.enter(derTag.sequence);
    const type = bag.oid();
    const value = bag.enter(contextConstructed(0));
    if (type === oid.keyBag) found.privateKeys.push(value.element(derTag.sequence));
    if (type === oid.shroudedKeyBag) {
      const key = value.enter(derTag.sequence);
      const algorithm = key.element(derTag.sequence);
      found.privateKeys.push(decrypt(algorithm, key.content(derTag.octetString)));
    }
    if (type === oid.certificateBag) {
      const certificate = value.enter(derTag.sequence);
      if (certificate.oid() !== oid.x509Certificate) continue;
      const octets = certificate.enter(contextConstructed(0)).content(derTag.octetString);
      found.certificates.push(parseCertificate(octets));
    }
    if (type === oid.nestedBags) readBags(value.element(derTag.sequence), decrypt, found);
  }
}
