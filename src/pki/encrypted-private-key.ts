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
