import type { SignatureAlgorithm } from "./signature-algorithm.ts";

/** The cryptography that this folder needs; `keys` implements it over node:crypto. */
export interface CryptoPort {
  sha256(bytes: Uint8Array): Uint8Array;
  /**
   * True if `signature` over `message` was made with `algorithm` by the key in `spki` (DER).
   * False for anything else, a key that cannot be read included; never throws.
   */
  verify(
    spki: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
    algorithm: SignatureAlgorithm,
  ): boolean;
}
