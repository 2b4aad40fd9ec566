import { DomainError } from "../kit/index.ts";
import * as der from "./der-write.ts";
import { oid } from "./oid.ts";

/** Of an uncompressed point on P-256: 4, x, y (SEC 1, 2.3.3). */
const p256PointBytes = 65;
const uncompressed = 4;

/** SubjectPublicKeyInfo (RFC 5480) of a point on P-256, as a token gives it. Throws `invalid-input`. */
export function p256PublicKey(point: Uint8Array): Uint8Array {
  if (point.length !== p256PointBytes || point[0] !== uncompressed)
    throw new DomainError("invalid-input", "this is no uncompressed point on P-256");
  return der.encode(
    der.sequence(
      der.sequence(der.objectIdentifier(oid.ecPublicKey), der.objectIdentifier(oid.p256)),
      der.wholeBitString(point),
    ),
  );
}

/** Ecdsa-Sig-Value (RFC 3279, 2.2.3) of r and s, which a token gives side by side. */
export function ecdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  const [r, s] = [raw.subarray(0, half), raw.subarray(half)];
  return der.encode(der.sequence(der.unsignedInteger(r), der.unsignedInteger(s)));
}
