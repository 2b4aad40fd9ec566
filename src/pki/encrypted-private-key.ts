import { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import { encode, objectIdentifier, octetString, sequence, smallInteger } from "./der-write.ts";
import { oid } from "./oid.ts";

/** A PKCS#8 key that was encrypted by AES-256-CBC under a key made by scrypt (RFC 7914). */
export interface ScryptEncrypted {
  readonly salt: Uint8Array;
  /** N, r and p of RFC 7914. */
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly initializationVector: Uint8Array;
  readonly encrypted: Uint8Array;
}

/** The EncryptedPrivateKeyInfo (RFC 5958 3) of it, DER: PBES2 (RFC 8018 A.4) with scrypt (RFC 7914 7.1). */
export function encryptedPrivateKeyDer(of: ScryptEncrypted): Uint8Array {
  const derivation = sequence(
    objectIdentifier(oid.scrypt),
    sequence(
      octetString(of.salt),
      smallInteger(of.cost),
      smallInteger(of.blockSize),
      smallInteger(of.parallelization),
    ),
  );
  const cipher = sequence(objectIdentifier(oid.aes256Cbc), octetString(of.initializationVector));
  const scheme = sequence(objectIdentifier(oid.pbes2), sequence(derivation, cipher));
  return encode(sequence(scheme, octetString(of.encrypted)));
}

/**
 * What `encryptedPrivateKeyDer` wrote; null for one that is encrypted in another way, which
 * `createPrivateKey` reads. A DomainError `invalid-input` for what is none at all.
 */
export function readEncryptedPrivateKey(der: Uint8Array): ScryptEncrypted | null {
  const outer = new DerReader(der).enter(derTag.sequence);
  const algorithm = outer.enter(derTag.sequence);
  const encrypted = outer.content(derTag.octetString);
  if (algorithm.oid() !== oid.pbes2) return null;
  const schemes = algorithm.enter(derTag.sequence);
  const derivation = schemes.enter(derTag.sequence);
  const cipher = schemes.enter(derTag.sequence);
  if (derivation.oid() !== oid.scrypt || cipher.oid() !== oid.aes256Cbc) return null;
  const parameters = derivation.enter(derTag.sequence);
  return {
    salt: parameters.content(derTag.octetString),
    cost: parameters.smallInteger(),
    blockSize: parameters.smallInteger(),
    parallelization: parameters.smallInteger(),
    initializationVector: cipher.content(derTag.octetString),
    encrypted,
  };
}
