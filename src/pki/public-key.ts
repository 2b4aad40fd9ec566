import type { CryptoPort } from "./crypto-port.ts";
import { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import { oid } from "./oid.ts";

/** What a SubjectPublicKeyInfo says about its key. */
export type PublicKeyInfo =
  | { readonly kind: "ec"; readonly curve: "P-256" | "P-384" | "P-521" }
  | { readonly kind: "rsa"; readonly modulusBits: number; readonly exponent: number }
  | { readonly kind: "ed25519" }
  | { readonly kind: "other"; readonly oid: string };

const curves = { [oid.p256]: "P-256", [oid.p384]: "P-384", [oid.p521]: "P-521" } as const;

/** Describes the key in `spki` (DER, RFC 5280 4.1.2.7); a DomainError `invalid-input` if it is none. */
export function describePublicKey(spki: Uint8Array): PublicKeyInfo {
  const outer = new DerReader(spki);
  const reader = outer.enter(derTag.sequence);
  outer.finish();
  const algorithm = reader.enter(derTag.sequence);
  const type = algorithm.oid();
  if (type === oid.ed25519) return { kind: "ed25519" };
  if (type === oid.ecPublicKey && algorithm.nextTag === derTag.oid) {
    const curveOid = algorithm.oid();
    const curve = curves[curveOid as keyof typeof curves];
    return curve === undefined ? { kind: "other", oid: curveOid } : { kind: "ec", curve };
  }
  if (type === oid.rsaEncryption) return describeRsa(reader.wholeBitString());
  return { kind: "other", oid: type };
}

function describeRsa(bits: Uint8Array): PublicKeyInfo {
  const key = new DerReader(bits).enter(derTag.sequence);
  const modulus = key.integer();
  const exponent = key.integer().reduce((value, byte) => value * 256 + byte, 0);
  const start = modulus[0] === 0 ? 1 : 0;
  const top = modulus[start] ?? 0;
  const modulusBits = (modulus.length - start - 1) * 8 + (32 - Math.clz32(top));
  return { kind: "rsa", modulusBits, exponent };
}

/** `EC P-256`, `RSA 2048`, `Ed25519`. */
export function publicKeyText(key: PublicKeyInfo): string {
  switch (key.kind) {
    case "ec":
      return `EC ${key.curve}`;
    case "rsa":
      return `RSA ${key.modulusBits}`;
    case "ed25519":
      return "Ed25519";
    case "other":
      return `key type ${key.oid}`;
  }
}

/** The key itself: the content of the BIT STRING in `spki`. */
function publicKeyBits(spki: Uint8Array): Uint8Array {
  const reader = new DerReader(spki).enter(derTag.sequence);
  reader.element(derTag.sequence);
  return reader.wholeBitString();
}

/** The leftmost 160 bits of the SHA-256 of the key bits: RFC 7093 section 2, method 1. */
export function subjectKeyIdOf(spki: Uint8Array, crypto: Pick<CryptoPort, "sha256">): Uint8Array {
  return crypto.sha256(publicKeyBits(spki)).slice(0, 20);
}
