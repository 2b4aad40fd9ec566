import { oid } from "../oid.ts";
import type { Pkcs12Cipher, Pkcs12Hash } from "./crypto.ts";

/** How a passphrase of PKCS#12's own schemes (RFC 7292 appendix C) encrypts. */
export interface OldScheme {
  readonly cipher: "des-ede3-cbc" | "rc2-cbc";
  /** Bytes of the key; 3DES with 16 uses its first 8 again. */
  readonly keyBytes: number;
}

export const oldSchemes: ReadonlyMap<string, OldScheme> = new Map([
  [oid.pbeSha1TripleDes, { cipher: "des-ede3-cbc", keyBytes: 24 }],
  ["1.2.840.113549.1.12.1.4", { cipher: "des-ede3-cbc", keyBytes: 16 }],
  ["1.2.840.113549.1.12.1.5", { cipher: "rc2-cbc", keyBytes: 16 }],
  ["1.2.840.113549.1.12.1.6", { cipher: "rc2-cbc", keyBytes: 5 }],
]);

/** The ciphers of PBES2 (RFC 8018 B.2) that are read. */
export const ciphers: ReadonlyMap<
  string,
  { readonly name: Pkcs12Cipher; readonly keyBytes: number }
> = new Map([
  ["2.16.840.1.101.3.4.1.2", { name: "aes-128-cbc", keyBytes: 16 }],
  ["2.16.840.1.101.3.4.1.22", { name: "aes-192-cbc", keyBytes: 24 }],
  [oid.aes256Cbc, { name: "aes-256-cbc", keyBytes: 32 }],
  ["1.2.840.113549.3.7", { name: "des-ede3-cbc", keyBytes: 24 }],
]);

/** The pseudo-random functions of PBKDF2 (RFC 8018 B.1). */
export const hmacs: ReadonlyMap<string, Pkcs12Hash> = new Map([
  ["1.2.840.113549.2.7", "sha1"],
  ["1.2.840.113549.2.8", "sha224"],
  [oid.hmacSha256, "sha256"],
  ["1.2.840.113549.2.10", "sha384"],
  ["1.2.840.113549.2.11", "sha512"],
]);

/** The digests that a container's MAC may be made with. */
export const digests: ReadonlyMap<string, Pkcs12Hash> = new Map([
  [oid.sha1, "sha1"],
  ["2.16.840.1.101.3.4.2.4", "sha224"],
  [oid.sha256, "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);
