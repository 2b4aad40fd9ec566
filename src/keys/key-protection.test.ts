import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { installGeneration, protectGenerations, readGeneration } from "./generation.ts";
import { encryptedPrivateKeyPem, generateKeyPair, privateKeyToPem } from "./key-pair.ts";
import { KeyProtection } from "./key-protection.ts";

const { privateKey, spki } = await generateKeyPair("ecdsa-p256");

function opensslSpki(path: string, passphrase: string): Buffer {
  const args = ["pkey", "-in", path, "-passin", `pass:${passphrase}`, "-pubout", "-outform", "DER"];
  return execFileSync("openssl", args, { stdio: ["ignore", "pipe", "ignore"] });
}

test("keys are written by the present passphrase, as OpenSSL reads them, and read by those before it too", async () => {
  const path = join(await tempFolder(), "key.pem");
  const keys = new KeyProtection("first");
  await writeFile(path, await keys.toPem(privateKey), { mode: 0o600 });
  expect(opensslSpki(path, "first")).toEqual(Buffer.from(spki));
  keys.take({ current: "second", former: ["first"] });
  expect((await keys.read(path)).equals(privateKey)).toBe(true);
  expect(await keys.isCurrent(await readFile(path, "utf8"))).toBe(false);
  const pem = await keys.toPem(privateKey);
  expect(await keys.isCurrent(pem)).toBe(true);
  keys.take({ current: "second", former: [] });
  await expect(keys.read(path)).rejects.toMatchObject({ code: "unauthenticated" });
  await expect(new KeyProtection().fromPem(pem, "it")).rejects.toThrow(/is encrypted; give its/);
});

test("an empty passphrase is none, and a file without one is read while there is one", async () => {
  const keys = new KeyProtection("");
  expect(await keys.toPem(privateKey)).toBe(privateKeyToPem(privateKey));
  keys.take({ current: "some", former: [""] });
  expect((await keys.fromPem(privateKeyToPem(privateKey), "it")).equals(privateKey)).toBe(true);
  expect(await keys.isCurrent(privateKeyToPem(privateKey))).toBe(false);
});

test("a key that another program encrypted is read, and counts as under its passphrase", async () => {
  const keys = new KeyProtection("other");
  const pem = execFileSync("openssl", ["pkcs8", "-topk8", "-passout", "pass:other"], {
    input: privateKeyToPem(privateKey),
  }).toString();
  expect((await keys.fromPem(pem, "it")).equals(privateKey)).toBe(true);
  expect(await keys.isCurrent(pem)).toBe(true);
  const apart = await encryptedPrivateKeyPem(privateKey, "apart");
  expect(await keys.isCurrent(apart)).toBe(false);
});

test("all generations are written anew, what a crash left there is gone, and none is written twice", async () => {
  const dir = await tempFolder();
  const keys = new KeyProtection();
  for (const sequence of [1, 2]) {
    const keyPem = await keys.toPem(privateKey);
    await installGeneration(dir, {
      sequence,
      keyPem,
      certificatePem: "c",
      chainPem: "",
      meta: {},
    });
  }
  const left = join(dir, "generations", "2", ".unfinished-key.pem-1");
  await writeFile(left, privateKeyToPem(privateKey));
  keys.take({ current: "new", former: [""] });
  expect(await protectGenerations(dir, keys)).toBe(2);
  expect(await protectGenerations(dir, keys)).toBe(0);
  await expect(readFile(left)).rejects.toThrow(/ENOENT/);
  const again = await readGeneration(dir, 2);
  expect(opensslSpki(join(dir, "generations", "2", "key.pem"), "new")).toEqual(Buffer.from(spki));
  // The same generation once more: its key is encrypted in another way, and nothing changes.
  const same = { ...again, keyPem: await keys.toPem(privateKey) } as NonNullable<typeof again>;
  await installGeneration(dir, same);
  expect(await readGeneration(dir, 2)).toEqual(again);
  await expect(installGeneration(dir, { ...same, certificatePem: "d" })).rejects.toMatchObject({
    code: "conflict",
  });
});
