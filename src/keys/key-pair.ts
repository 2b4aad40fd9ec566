import {
  createCipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPair as generate,
  randomBytes,
  scrypt,
  sign,
  type KeyObject,
  type ScryptOptions,
} from "node:crypto";
import { promisify } from "node:util";
import { DomainError } from "../kit/index.ts";
import { encodePem, encryptedPrivateKeyDer, type SignatureAlgorithm } from "../pki/index.ts";
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
const scryptAsync = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

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

/** As much as OpenSSL lets a file ask for (32 MiB), five times over: a try takes some 0.2 s. */
const scryptCost = { cost: 16_384, blockSize: 8, parallelization: 5 };
const scryptBytesMax = 64 * 1024 * 1024;
const aesKeyBytes = 32;
const aesBlockBytes = 16;

/**
 * The key as encrypted PKCS#8 PEM that OpenSSL reads. Not by `KeyObject.export`, which leaves the
 * passphrase 2048 rounds of PBKDF2 from whoever has the file.
 */
export async function encryptedPrivateKeyPem(key: KeyObject, passphrase: string): Promise<string> {
  const salt = randomBytes(16);
  const initializationVector = randomBytes(aesBlockBytes);
  const options = { ...scryptCost, maxmem: scryptBytesMax };
  const derived = await scryptAsync(passphrase, salt, aesKeyBytes, options);
  const cipher = createCipheriv("aes-256-cbc", derived, initializationVector);
  const plain = key.export({ format: "der", type: "pkcs8" });
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const der = encryptedPrivateKeyDer({ ...scryptCost, salt, initializationVector, encrypted });
  return encodePem("ENCRYPTED PRIVATE KEY", der);
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
