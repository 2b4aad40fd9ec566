import { DomainError } from "../kit/index.ts";
import { bytesEqual } from "./bytes.ts";
import { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import * as der from "./der-write.ts";
import type { PublicKeyInfo } from "./public-key.ts";

/** The signature algorithms that are made and accepted. SHA-1 and anything older is not one. */
export type SignatureAlgorithm =
  | "ecdsa-sha256"
  | "ecdsa-sha384"
  | "ecdsa-sha512"
  | "rsa-sha256"
  | "rsa-sha384"
  | "rsa-sha512"
  | "ed25519";

interface AlgorithmRow {
  readonly name: SignatureAlgorithm;
  readonly oid: string;
  readonly key: PublicKeyInfo["kind"];
  /** RFC 4055 section 5 wants NULL for RSA; RFC 5758 3.2 and RFC 8410 section 3 want nothing. */
  readonly parametersNull: boolean;
}

const rows: readonly AlgorithmRow[] = [
  { name: "ecdsa-sha256", oid: "1.2.840.10045.4.3.2", key: "ec", parametersNull: false },
  { name: "ecdsa-sha384", oid: "1.2.840.10045.4.3.3", key: "ec", parametersNull: false },
  { name: "ecdsa-sha512", oid: "1.2.840.10045.4.3.4", key: "ec", parametersNull: false },
  { name: "rsa-sha256", oid: "1.2.840.113549.1.1.11", key: "rsa", parametersNull: true },
  { name: "rsa-sha384", oid: "1.2.840.113549.1.1.12", key: "rsa", parametersNull: true },
  { name: "rsa-sha512", oid: "1.2.840.113549.1.1.13", key: "rsa", parametersNull: true },
  { name: "ed25519", oid: "1.3.101.112", key: "ed25519", parametersNull: false },
];

const encoded = rows.map((row) => ({
  ...row,
  der: der.encode(
    der.sequence(
      der.objectIdentifier(row.oid),
      ...(row.parametersNull ? [der.primitive(derTag.null, new Uint8Array(0))] : []),
    ),
  ),
}));

/** The AlgorithmIdentifier of `algorithm`, DER. */
export function algorithmIdentifier(algorithm: SignatureAlgorithm): Uint8Array {
  const row = encoded.find((each) => each.name === algorithm);
  if (row === undefined) throw new DomainError("invalid-input", "unknown signature algorithm");
  return row.der;
}

/** The algorithm that an AlgorithmIdentifier (DER) stands for, null if it is not one of ours. */
export function signatureAlgorithmOf(identifier: Uint8Array): SignatureAlgorithm | null {
  return encoded.find((row) => bytesEqual(row.der, identifier))?.name ?? null;
}

/** The dotted OID in an AlgorithmIdentifier (DER). */
export function algorithmOid(identifier: Uint8Array): string {
  return new DerReader(identifier).enter(derTag.sequence).oid();
}

/** True if a key of that kind can make signatures of that algorithm. */
export function algorithmFitsKey(algorithm: SignatureAlgorithm, key: PublicKeyInfo): boolean {
  return rows.some((row) => row.name === algorithm && row.key === key.kind);
}

/** What a key signs with when nothing else is asked for; a DomainError for keys that we never use. */
export function defaultSignatureAlgorithm(key: PublicKeyInfo): SignatureAlgorithm {
  switch (key.kind) {
    case "ec":
      return key.curve === "P-256"
        ? "ecdsa-sha256"
        : key.curve === "P-384"
          ? "ecdsa-sha384"
          : "ecdsa-sha512";
    case "rsa":
      return "rsa-sha256";
    case "ed25519":
      return "ed25519";
    case "other":
      throw new DomainError(
        "certificate-rejected",
        `a key of type ${key.oid} cannot sign here; use EC P-256 or P-384, RSA or Ed25519`,
      );
  }
}

/** The digests that a CA may be made to sign with. */
export type SignatureDigest = "sha256" | "sha384" | "sha512";

/** The algorithm of a key with a digest that was asked for; what an Ed25519 key signs with has its own. */
export function algorithmWith(key: PublicKeyInfo, digest: SignatureDigest): SignatureAlgorithm {
  return key.kind === "ec" || key.kind === "rsa"
    ? (`${key.kind === "ec" ? "ecdsa" : "rsa"}-${digest}` as const)
    : defaultSignatureAlgorithm(key);
}

/** The digest of a signature algorithm; null for Ed25519, and for one that is not accepted. */
export function digestOfAlgorithm(algorithm: SignatureAlgorithm | null): SignatureDigest | null {
  const [, digest = null] = /-(sha(?:256|384|512))$/.exec(algorithm ?? "") ?? [];
  return digest as SignatureDigest | null;
}
