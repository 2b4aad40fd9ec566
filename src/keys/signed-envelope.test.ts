import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { spkiFingerprint } from "../pki/index.ts";
import { generateKeyPair } from "./key-pair.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import { signEnvelope, verifyEnvelope } from "./signed-envelope.ts";

const invalid = expect.objectContaining({ code: "signature-invalid" });

describe("envelopes", () => {
  test("give back their payload when key and kind are right", async () => {
    const { privateKey, spki } = await generateKeyPair("ed25519");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (payload) => {
        const envelope = JSON.parse(
          JSON.stringify(signEnvelope("trust-bundle", payload, privateKey)),
        );
        expect(verifyEnvelope("trust-bundle", envelope, spki)).toEqual(payload);
      }),
    );
  });

  test("are refused when kind, key, payload, signature or key id are another", async () => {
    const [right, wrong] = await Promise.all([
      generateKeyPair("ed25519"),
      generateKeyPair("ed25519"),
    ]);
    const payload = new TextEncoder().encode("payload");
    const envelope = signEnvelope("trust-bundle", payload, right.privateKey);
    const changes = [
      { payload: `${envelope.payload}AAAA` },
      { payload: "*" },
      { signature: envelope.payload },
      { signature: "" },
      { keyId: spkiFingerprint(wrong.spki, nodeCryptoPort) },
    ];
    for (const change of changes) {
      expect(() => verifyEnvelope("trust-bundle", { ...envelope, ...change }, right.spki)).toThrow(
        invalid,
      );
    }
    expect(() => verifyEnvelope("topology", envelope, right.spki)).toThrow(invalid);
    expect(() => verifyEnvelope("trust-bundle", envelope, wrong.spki)).toThrow(invalid);
    const relabelled = { ...envelope, keyId: spkiFingerprint(wrong.spki, nodeCryptoPort) };
    expect(() => verifyEnvelope("trust-bundle", relabelled, wrong.spki)).toThrow(invalid);
  });

  test("are not made with another kind of key, nor for a kind that could hide a line", async () => {
    const ec = await generateKeyPair("ecdsa-p256");
    expect(() => signEnvelope("topology", new Uint8Array(), ec.privateKey)).toThrow(/Ed25519/);
    const { privateKey } = await generateKeyPair("ed25519");
    for (const kind of ["", "A", "a\nb", "a/v2"]) {
      expect(() => signEnvelope(kind, new Uint8Array(), privateKey)).toThrow(/kind of an envelope/);
    }
  });
});
