import { expect, it } from "vitest";
import { generateKeyPair } from "./key-pair.ts";
import { seal, unseal } from "./sealed.ts";

const own = await generateKeyPair("ecdsa-p256");
const other = await generateKeyPair("ecdsa-p256");
const secret = "-----BEGIN PRIVATE KEY-----";
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const refused = expect.objectContaining({ code: "signature-invalid" });

it("unseal gives what was sealed for its key, as text or as bytes", async () => {
  expect(text(await unseal(await seal(secret, own.spki), own.privateKey))).toBe(secret);
  const bytes = Uint8Array.of(0, 255, 128);
  expect([...(await unseal(await seal(bytes, own.spki), own.privateKey))]).toEqual([...bytes]);
});

it("seal never shows the secret, nor makes the same text twice", async () => {
  const [first, second] = [await seal(secret, own.spki), await seal(secret, own.spki)];
  expect(first).not.toBe(second);
  expect(first.split(".").map((part) => Buffer.from(part, "base64url").toString())).not.toContain(
    secret,
  );
});

it("unseal refuses what was sealed for another key", async () => {
  await expect(unseal(await seal(secret, other.spki), own.privateKey)).rejects.toEqual(refused);
});

it.each([0, 1, 2, 3, 4])("unseal refuses text that is damaged in part %i", async (part) => {
  const parts = (await seal(secret, own.spki)).split(".");
  const damaged = parts[part] ?? "";
  parts[part] = (damaged.startsWith("A") ? "B" : "A") + damaged.slice(1);
  await expect(unseal(parts.join("."), own.privateKey)).rejects.toEqual(refused);
});

it("unseal refuses what is no sealed text", async () => {
  await expect(unseal("nothing", own.privateKey)).rejects.toEqual(refused);
});

it("unseal refuses text of another algorithm than that of seal", async () => {
  const { CompactEncrypt } = await import("jose");
  const { createPublicKey } = await import("node:crypto");
  const foreign = await new CompactEncrypt(Uint8Array.from(Buffer.from(secret)))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A128GCM" })
    .encrypt(createPublicKey(own.privateKey));
  await expect(unseal(foreign, own.privateKey)).rejects.toEqual(refused);
});

it("seal refuses a key that no secret can be agreed on with", async () => {
  const { spki } = await generateKeyPair("ed25519");
  await expect(seal(secret, spki)).rejects.toMatchObject({ code: "invalid-input" });
});
