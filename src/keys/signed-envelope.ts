import { createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { assert, DomainError } from "../kit/index.ts";
import { base64Decode, base64Encode, spkiFingerprint } from "../pki/index.ts";
import { keyPairOf } from "./key-pair.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";

/** A signed document: a trust bundle, a topology, a denial. Plain JSON. */
export interface SignedEnvelope {
  /** Base64. */
  readonly payload: string;
  /** Ed25519 over the context line and the payload; base64. */
  readonly signature: string;
  /** SHA-256 of the signing key's SubjectPublicKeyInfo, hexadecimal. */
  readonly keyId: string;
}

/** What is signed: a line that says what kind of document it is, so that no kind passes as another. */
function signedBytes(kind: string, payload: Uint8Array): Uint8Array {
  assert(/^[a-z][a-z0-9-]*$/.test(kind), "the kind of an envelope is one lower-case word");
  return Buffer.concat([Buffer.from(`gatehouse/${kind}/v1\n`, "latin1"), payload]);
}

/** Signs `payload` as a document of `kind` with an Ed25519 key. */
export function signEnvelope(
  kind: string,
  payload: Uint8Array,
  privateKey: KeyObject,
): SignedEnvelope {
  assert(privateKey.asymmetricKeyType === "ed25519", "envelopes are signed with Ed25519 keys");
  return {
    payload: base64Encode(payload),
    signature: base64Encode(sign(null, signedBytes(kind, payload), privateKey)),
    keyId: keyIdOf(privateKey),
  };
}

/** Exporting the public half costs more than signing does: once for each key. */
const keyIds = new WeakMap<KeyObject, string>();

function keyIdOf(privateKey: KeyObject): string {
  let keyId = keyIds.get(privateKey);
  if (keyId === undefined) {
    keyId = spkiFingerprint(keyPairOf(privateKey).spki, nodeCryptoPort);
    keyIds.set(privateKey, keyId);
  }
  return keyId;
}

/**
 * The payload of an envelope that the key in `spki` (DER) signed as a document of `kind`. A
 * DomainError `signature-invalid` otherwise, whatever is wrong with it.
 */
export function verifyEnvelope(
  kind: string,
  envelope: SignedEnvelope,
  spki: Uint8Array,
): Uint8Array {
  if (envelope.keyId !== spkiFingerprint(spki, nodeCryptoPort)) {
    throw new DomainError(
      "signature-invalid",
      `a ${kind} is signed by another key than the trusted one`,
      {
        context: { keyId: envelope.keyId },
      },
    );
  }
  const payload = base64Decode(envelope.payload);
  const signature = base64Decode(envelope.signature);
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const isGood =
    payload !== null &&
    signature !== null &&
    key.asymmetricKeyType === "ed25519" &&
    verify(null, signedBytes(kind, payload), key, signature);
  if (isGood) return payload;
  throw new DomainError("signature-invalid", `the signature of a ${kind} does not verify`, {
    context: { keyId: envelope.keyId },
  });
}
