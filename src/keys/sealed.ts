import { createPublicKey, type KeyObject } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { DomainError } from "../kit/index.ts";

const keyWrap = "ECDH-ES+A256KW";
const cipher = "A256GCM";

/**
 * `secret` encrypted for the holder of an elliptic-curve key, given as SPKI (DER): a JWE in
 * compact form (RFC 7516), its key agreed on by ECDH-ES with A256KW (RFC 7518 4.6). Throws
 * `invalid-input` for any other key.
 */
export async function seal(
  secret: Uint8Array | string,
  recipientSpki: Uint8Array,
): Promise<string> {
  try {
    const key = createPublicKey({ key: Buffer.from(recipientSpki), format: "der", type: "spki" });
    return await new CompactEncrypt(Uint8Array.from(Buffer.from(secret)))
      .setProtectedHeader({ alg: keyWrap, enc: cipher })
      .encrypt(key);
  } catch (cause) {
    throw new DomainError(
      "invalid-input",
      "the key to seal for is not an elliptic-curve public key",
      {
        cause,
      },
    );
  }
}

/**
 * What `seal` encrypted, with the recipient's private key. Throws `signature-invalid` for the wrong
 * key, for damaged text and for any other algorithm.
 */
export async function unseal(sealed: string, privateKey: KeyObject): Promise<Uint8Array> {
  try {
    const { plaintext } = await compactDecrypt(sealed, privateKey, {
      keyManagementAlgorithms: [keyWrap],
      contentEncryptionAlgorithms: [cipher],
    });
    return plaintext;
  } catch (cause) {
    throw new DomainError(
      "signature-invalid",
      "a sealed key cannot be opened with the sealing key of this host: have it shared again",
      { cause },
    );
  }
}

const passphraseWrap = "PBES2-HS512+A256KW";
/** Iterations of PBKDF2. */
const passphraseCost = 210_000;

/** `secret` encrypted by a passphrase: a JWE (RFC 7516), its key wrapped by PBES2 (RFC 7518 4.8). */
export function sealByPassphrase(secret: string, passphrase: string): Promise<string> {
  return new CompactEncrypt(Buffer.from(secret))
    .setProtectedHeader({ alg: passphraseWrap, enc: cipher })
    .setKeyManagementParameters({ p2c: passphraseCost })
    .encrypt(Buffer.from(passphrase));
}

/** What `sealByPassphrase` encrypted; null for another passphrase, or damaged text. */
export async function unsealByPassphrase(
  sealed: string,
  passphrase: string,
): Promise<string | null> {
  try {
    const { plaintext } = await compactDecrypt(sealed, Buffer.from(passphrase), {
      keyManagementAlgorithms: [passphraseWrap],
      contentEncryptionAlgorithms: [cipher],
      maxPBES2Count: passphraseCost,
    });
    return Buffer.from(plaintext).toString("utf8");
  } catch {
    return null;
  }
}
