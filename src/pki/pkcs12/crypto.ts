/** The digests that containers use. SHA-1 is here for old ones. */
export type Pkcs12Hash = "sha1" | "sha224" | "sha256" | "sha384" | "sha512";

/** The block ciphers in CBC mode that a container may be encrypted by. */
export type Pkcs12Cipher = "aes-128-cbc" | "aes-192-cbc" | "aes-256-cbc" | "des-ede3-cbc";

/** The cryptography of a PKCS#12 container; `keys` implements it over node:crypto. */
export interface Pkcs12Crypto {
  digest(hash: Pkcs12Hash, bytes: Uint8Array): Uint8Array;
  hmac(hash: Pkcs12Hash, key: Uint8Array, bytes: Uint8Array): Uint8Array;
  pbkdf2(
    hash: Pkcs12Hash,
    passphrase: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    keyBytes: number,
  ): Uint8Array;
  /** With PKCS#7 padding. */
  encrypt(
    cipher: Pkcs12Cipher,
    key: Uint8Array,
    initializationVector: Uint8Array,
    plain: Uint8Array,
  ): Uint8Array;
  /** Null where the padding is wrong, which a wrong key makes likely. */
  decrypt(
    cipher: Pkcs12Cipher,
    key: Uint8Array,
    initializationVector: Uint8Array,
    encrypted: Uint8Array,
  ): Uint8Array | null;
  random(length: number): Uint8Array;
}
