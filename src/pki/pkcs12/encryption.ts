import { DomainError } from "../../kit/index.ts";
import { utf8Encode } from "../characters.ts";
import { DerReader } from "../der-read.ts";
import { derTag } from "../der-tags.ts";
import * as der from "../der-write.ts";
import { oid } from "../oid.ts";
import { ciphers, hmacs, oldSchemes } from "./algorithms.ts";
import type { OldScheme } from "./algorithms.ts";
import type { Pkcs12Crypto, Pkcs12Hash } from "./crypto.ts";
import { deriveBytes, derivedFor, joinBytes, widePassphrase } from "./passphrase-key.ts";
import { decryptRc2 } from "./rc2.ts";

/** A passphrase in both forms that containers take it in. */
export interface PassphraseForms {
  /** For PKCS#12's own key derivation. */
  readonly wide: Uint8Array;
  /** For PBKDF2. */
  readonly utf8: Uint8Array;
}

/** The forms of `passphrase` to try: programs do not agree on how an empty one is written. */
export function passphraseForms(passphrase: string): PassphraseForms[] {
  const utf8 = utf8Encode(passphrase);
  const forms = [{ wide: widePassphrase(passphrase), utf8 }];
  return passphrase === "" ? [...forms, { wide: new Uint8Array(0), utf8 }] : forms;
}

/** A file can ask for any number; this many take some seconds. */
const iterationsMax = 5_000_000;

/** The next INTEGER as a number of iterations; a DomainError where it asks for too many. */
export function readIterations(reader: DerReader): number {
  const iterations = reader.smallInteger();
  if (iterations >= 1 && iterations <= iterationsMax) return iterations;
  throw new DomainError(
    "invalid-input",
    `it wants ${iterations} iterations for its passphrase; 1 to ${iterationsMax} are done`,
  );
}

/**
 * What `algorithm` (an AlgorithmIdentifier, DER) encrypted under the passphrase; null where the
 * passphrase does not fit. A DomainError `invalid-input` for an algorithm that is not read.
 */
export function decryptWith(
  algorithm: Uint8Array,
  encrypted: Uint8Array,
  passphrase: PassphraseForms,
  crypto: Pkcs12Crypto,
): Uint8Array | null {
  const reader = new DerReader(algorithm).enter(derTag.sequence);
  const type = reader.oid();
  if (type === oid.pbes2) return decryptPbes2(reader, encrypted, passphrase, crypto);
  const scheme = oldSchemes.get(type);
  if (scheme === undefined) throw notRead(type);
  const parameters = reader.enter(derTag.sequence);
  const salt = parameters.content(derTag.octetString);
  const iterations = readIterations(parameters);
  const { key, initializationVector } = oldKey(scheme, passphrase, { salt, iterations }, crypto);
  return scheme.cipher === "rc2-cbc"
    ? decryptRc2(key, initializationVector, encrypted)
    : crypto.decrypt(scheme.cipher, key, initializationVector, encrypted);
}

function decryptPbes2(
  outer: DerReader,
  encrypted: Uint8Array,
  passphrase: PassphraseForms,
  crypto: Pkcs12Crypto,
): Uint8Array | null {
  const reader = outer.enter(derTag.sequence);
  const derivation = reader.enter(derTag.sequence);
  const scheme = reader.enter(derTag.sequence);
  const derivationType = derivation.oid();
  if (derivationType !== oid.pbkdf2) throw notRead(derivationType);
  const cipherType = scheme.oid();
  const cipher = ciphers.get(cipherType);
  if (cipher === undefined) throw notRead(cipherType);
  const initializationVector = scheme.content(derTag.octetString);
  const parameters = derivation.enter(derTag.sequence);
  const salt = parameters.content(derTag.octetString);
  const iterations = readIterations(parameters);
  if (parameters.nextTag === derTag.integer) parameters.integer();
  const hash = readHmac(parameters);
  const key = crypto.pbkdf2(hash, passphrase.utf8, salt, iterations, cipher.keyBytes);
  return crypto.decrypt(cipher.name, key, initializationVector, encrypted);
}

/** HMAC-SHA-1 where none is named (RFC 8018 A.2). */
function readHmac(parameters: DerReader): Pkcs12Hash {
  const type = parameters.enterOptional(derTag.sequence)?.oid();
  if (type === undefined) return "sha1";
  const hash = hmacs.get(type);
  if (hash === undefined) throw notRead(type);
  return hash;
}

function oldKey(
  { cipher, keyBytes }: OldScheme,
  passphrase: PassphraseForms,
  with_: { salt: Uint8Array; iterations: number },
  crypto: Pkcs12Crypto,
): { key: Uint8Array; initializationVector: Uint8Array } {
  const derive = (purpose: number, length: number): Uint8Array =>
    deriveBytes({ hash: "sha1", passphrase: passphrase.wide, ...with_, purpose, length }, crypto);
  const short = derive(derivedFor.key, keyBytes);
  const isTwoKeys = cipher === "des-ede3-cbc" && keyBytes === 16;
  return {
    key: isTwoKeys ? joinBytes(short, short.subarray(0, 8)) : short,
    initializationVector: derive(derivedFor.initializationVector, 8),
  };
}

/** `modern`: what OpenSSL 3 and Java 17 write by themselves; `legacy`: what all that is older reads. */
export type Pkcs12Form = "modern" | "legacy";

/** `plain` encrypted for the passphrase: the AlgorithmIdentifier, and the octets. */
export function encryptFor(
  form: Pkcs12Form,
  plain: Uint8Array,
  passphrase: PassphraseForms,
  iterations: number,
  crypto: Pkcs12Crypto,
): { algorithm: der.DerNode; encrypted: Uint8Array } {
  const salt = crypto.random(16);
  const saltAndIterations = [der.octetString(salt), der.smallInteger(iterations)];
  if (form === "legacy") {
    const scheme: OldScheme = { cipher: "des-ede3-cbc", keyBytes: 24 };
    const { key, initializationVector } = oldKey(scheme, passphrase, { salt, iterations }, crypto);
    return {
      algorithm: der.sequence(
        der.objectIdentifier(oid.pbeSha1TripleDes),
        der.sequence(...saltAndIterations),
      ),
      encrypted: crypto.encrypt("des-ede3-cbc", key, initializationVector, plain),
    };
  }
  const initializationVector = crypto.random(16);
  const key = crypto.pbkdf2("sha256", passphrase.utf8, salt, iterations, 32);
  const derivation = der.sequence(
    der.objectIdentifier(oid.pbkdf2),
    der.sequence(
      ...saltAndIterations,
      der.sequence(
        der.objectIdentifier(oid.hmacSha256),
        der.primitive(derTag.null, new Uint8Array(0)),
      ),
    ),
  );
  const cipher = der.sequence(
    der.objectIdentifier(oid.aes256Cbc),
    der.octetString(initializationVector),
  );
  return {
    algorithm: der.sequence(der.objectIdentifier(oid.pbes2), der.sequence(derivation, cipher)),
    encrypted: crypto.encrypt("aes-256-cbc", key, initializationVector, plain),
  };
}

function notRead(type: string): DomainError {
  return new DomainError(
    "invalid-input",
    `it is encrypted by an algorithm (${type}) that is not read here; write it anew with AES-256`,
  );
}
