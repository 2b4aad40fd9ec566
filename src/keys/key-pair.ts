import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair as generate,
  sign,
  type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";
import { DomainError } from "../kit/index.ts";
import type { SignatureAlgorithm } from "../pki/index.ts";
import { derivedKey, encryptedPem, newDerivation } from "./encrypted-key.ts";
import { digestOf, withoutStackTraces } from "./node-crypto-port.ts";

/** The kinds of key that are made here. */
export type KeyAlgorithm =
  | "ecdsa-p256"
  | "ecdsa-p384"
  | "rsa-2048"
  | "rsa-3072"
  | "rsa-4096"
  | "ed25519";

/** A private key and its public half. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

const generateAsync = promisify(generate);

/** Makes a new key pair, off the main thread. */
export async function generateKeyPair(algorithm: KeyAlgorithm): Promise<KeyPair> {
  return keyPairOf(await generatePrivateKey(algorithm));
}

async function generatePrivateKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  switch (algorithm) {
    case "ecdsa-p256":
      return (await generateAsync("ec", { namedCurve: "P-256" })).privateKey;
    case "ecdsa-p384":
      return (await generateAsync("ec", { namedCurve: "P-384" })).privateKey;
    case "ed25519":
      return (await generateAsync("ed25519")).privateKey;
    default: {
      const modulusLength = Number(algorithm.slice("rsa-".length));
      return (await generateAsync("rsa", { modulusLength })).privateKey;
    }
  }
}

/** The pair that a private key belongs to. */
export function keyPairOf(privateKey: KeyObject): KeyPair {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return { privateKey, spki: Uint8Array.from(spki) };
}

/** The key as PKCS#8 PEM. */
export function privateKeyToPem(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}

/**
 * The key as encrypted PKCS#8 PEM that OpenSSL reads. Not by `KeyObject.export`, which leaves the
 * passphrase 2048 rounds of PBKDF2 from whoever has the file.
 */
export async function encryptedPrivateKeyPem(key: KeyObject, passphrase: string): Promise<string> {
  const derivation = newDerivation();
  return encryptedPem(key, derivation, await derivedKey(passphrase, derivation));
}

/** True for a private key in PEM text that needs a passphrase. */
export function isEncryptedPem(pem: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem);
}

/**
 * The private key in PEM text, of any form that OpenSSL reads. `what` names it in a message. A
 * DomainError `unauthenticated` if the passphrase is missing or wrong, `invalid-input` if it is no
 * key.
 */
export function privateKeyFromPem(
  pem: string,
  options: { what: string; passphrase?: string },
): KeyObject {
  const { what, passphrase } = options;
  const isEncrypted = isEncryptedPem(pem);
  if (isEncrypted && passphrase === undefined) {
    throw new DomainError("unauthenticated", `${what} is encrypted; give its passphrase`);
  }
  try {
    return createPrivateKey({
      key: pem,
      format: "pem",
      ...(isEncrypted && passphrase !== undefined ? { passphrase } : {}),
    });
  } catch (cause) {
    throw isEncrypted
      ? new DomainError("unauthenticated", `the passphrase of ${what} is wrong`, { cause })
      : new DomainError("invalid-input", `${what} is not a private key in PEM form`, { cause });
  }
}

/** The signature of `message`; ECDSA signatures are DER (RFC 3279 2.2.3). */
export function signBytes(
  key: KeyObject,
  message: Uint8Array,
  algorithm: SignatureAlgorithm,
): Uint8Array {
  return withoutStackTraces(() => Uint8Array.from(sign(digestOf[algorithm], message, key)));
}
