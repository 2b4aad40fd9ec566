import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  randomBytes,
  scrypt,
  type KeyObject,
  type ScryptOptions,
} from "node:crypto";
import { promisify } from "node:util";
import { encodePem, encryptedPrivateKeyDer, type ScryptEncrypted } from "../pki/index.ts";

const scryptAsync = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt);

/** As much as OpenSSL lets a file ask for (32 MiB), five times over: a try takes some 0.2 s. */
const scryptCost = { cost: 16_384, blockSize: 8, parallelization: 5 };
const scryptBytesMax = 64 * 1024 * 1024;
const aesKeyBytes = 32;
const aesBlockBytes = 16;

export type Derivation = Pick<ScryptEncrypted, "salt" | "cost" | "blockSize" | "parallelization">;

/** How a new passphrase becomes a key: by a salt of its own. */
export function newDerivation(): Derivation {
  return { ...scryptCost, salt: randomBytes(16) };
}

/** True for one that costs as much as a new one. */
export function costsAsNew({ cost, blockSize, parallelization }: Derivation): boolean {
  const wanted = scryptCost;
  const isSameBlock = blockSize === wanted.blockSize;
  return cost === wanted.cost && isSameBlock && parallelization === wanted.parallelization;
}

/** The AES key that a passphrase is, off the main thread. */
export function derivedKey(passphrase: string, derivation: Derivation): Promise<Buffer> {
  const { salt, cost, blockSize, parallelization } = derivation;
  const options = { cost, blockSize, parallelization, maxmem: scryptBytesMax };
  return scryptAsync(passphrase, salt, aesKeyBytes, options);
}

/** The key as encrypted PKCS#8 PEM that OpenSSL reads; `derived` is `derivedKey` of `derivation`. */
export function encryptedPem(key: KeyObject, derivation: Derivation, derived: Buffer): string {
  const initializationVector = randomBytes(aesBlockBytes);
  const cipher = createCipheriv("aes-256-cbc", derived, initializationVector);
  const plain = key.export({ format: "der", type: "pkcs8" });
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const der = encryptedPrivateKeyDer({ ...derivation, initializationVector, encrypted });
  return encodePem("ENCRYPTED PRIVATE KEY", der);
}

/** The key that was encrypted; null if `derived` is of another passphrase. */
export function decryptedKey(of: ScryptEncrypted, derived: Buffer): KeyObject | null {
  try {
    const cipher = createDecipheriv("aes-256-cbc", derived, of.initializationVector);
    const key = Buffer.concat([cipher.update(of.encrypted), cipher.final()]);
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  } catch {
    return null;
  }
}
