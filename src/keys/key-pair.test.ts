import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openssl, testRoot, testTemplate } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { describePublicKey, publicKeyText } from "../pki/index.ts";
import type { SignatureAlgorithm } from "../pki/index.ts";
import { issueCertificate } from "./issue.ts";
import {
  encryptedPrivateKeyPem,
  generateKeyPair,
  keyPairOf,
  privateKeyFromPem,
  privateKeyToPem,
  signBytes,
} from "./key-pair.ts";
import type { KeyAlgorithm } from "./key-pair.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import { fileSigner, keySigner } from "./signer.ts";

const what = "the key";
const rejection = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe("generateKeyPair", () => {
  test.each<[KeyAlgorithm, string, SignatureAlgorithm]>([
    ["ecdsa-p256", "EC P-256", "ecdsa-sha256"],
    ["ecdsa-p384", "EC P-384", "ecdsa-sha384"],
    ["rsa-2048", "RSA 2048", "rsa-sha256"],
    ["rsa-3072", "RSA 3072", "rsa-sha256"],
    ["ed25519", "Ed25519", "ed25519"],
  ])(
    "makes %s, whose signatures verify with its public half only",
    async (kind, text, algorithm) => {
      const pair = await generateKeyPair(kind);
      expect(publicKeyText(describePublicKey(pair.spki))).toBe(text);
      const message = new TextEncoder().encode("message");
      const signer = keySigner(pair.privateKey);
      expect(signer.algorithm).toBe(algorithm);
      const signature = await signer.sign(message);
      expect(nodeCryptoPort.verify(pair.spki, message, signature, algorithm)).toBe(true);
      const other = await generateKeyPair("ed25519");
      expect(nodeCryptoPort.verify(other.spki, message, signature, algorithm)).toBe(false);
      expect(nodeCryptoPort.verify(pair.spki, signature, signature, algorithm)).toBe(false);
      expect(nodeCryptoPort.verify(message, message, signature, algorithm)).toBe(false);
    },
  );
});

describe("private keys in PEM", () => {
  test("are PKCS#8 that openssl reads, with and without a passphrase", async () => {
    const pair = await generateKeyPair("ecdsa-p256");
    const path = join(await tempFolder(), "key.pem");
    const plain = privateKeyToPem(pair.privateKey);
    const encrypted = await encryptedPrivateKeyPem(pair.privateKey, "päss");
    expect(plain).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(encrypted).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    await writeFile(path, encrypted);
    const opened = openssl(["pkey", "-in", path, "-passin", "pass:päss"]);
    expect(opened).toBe(plain);
    const parsed = openssl(["asn1parse", "-in", path]);
    expect(parsed).toContain("aes-256-cbc");
    expect(parsed).toContain("scrypt");
    const back = privateKeyFromPem(encrypted, { what, passphrase: "päss" });
    expect(keyPairOf(back).spki).toEqual(pair.spki);
  });

  test.each([
    ["traditional EC", ["ecparam", "-name", "prime256v1", "-genkey", "-noout"]],
    ["PKCS#8 RSA", ["genpkey", "-algorithm", "RSA"]],
    ["traditional RSA", ["genrsa", "-traditional", "2048"]],
  ])("are read when openssl wrote them as %s", (_, args) => {
    expect(privateKeyFromPem(openssl(args), { what }).type).toBe("private");
  });

  test("are refused with one line when the passphrase is missing or wrong, or it is no key", async () => {
    const { privateKey } = await generateKeyPair("ed25519");
    const pem = await encryptedPrivateKeyPem(privateKey, "right");
    const legacy = openssl(["genrsa", "-traditional", "-aes128", "-passout", "pass:right", "2048"]);
    for (const text of [pem, legacy]) {
      expect(() => privateKeyFromPem(text, { what })).toThrow(
        rejection("unauthenticated", /^the key is encrypted; give its passphrase$/),
      );
      expect(() => privateKeyFromPem(text, { what, passphrase: "wrong" })).toThrow(
        rejection("unauthenticated", /^the passphrase of the key is wrong$/),
      );
      expect(privateKeyFromPem(text, { what, passphrase: "right" }).type).toBe("private");
    }
    expect(() => privateKeyFromPem("nothing", { what })).toThrow(rejection("invalid-input", /PEM/));
  });
});

describe("fileSigner", () => {
  test("signs with the key in a file of mode 0600", async () => {
    const path = join(await tempFolder(), "key.pem");
    const pair = await generateKeyPair("ecdsa-p256");
    await writeFile(path, privateKeyToPem(pair.privateKey), { mode: 0o600 });
    const signer = await fileSigner(path);
    const message = Uint8Array.of(1, 2, 3);
    const signature = await signer.sign(message);
    expect(signer.spki).toEqual(pair.spki);
    expect(nodeCryptoPort.verify(pair.spki, message, signature, "ecdsa-sha256")).toBe(true);
  });

  test("refuses, naming the file, when it is missing, open to others, locked or no key", async () => {
    const path = join(await tempFolder(), "key.pem");
    await expect(fileSigner(path)).rejects.toThrow(rejection("not-found", /key\.pem$/));
    const { privateKey } = await generateKeyPair("ed25519");
    await writeFile(path, await encryptedPrivateKeyPem(privateKey, "right"));
    for (const mode of [0o640, 0o604, 0o601]) {
      await chmod(path, mode);
      await expect(fileSigner(path)).rejects.toThrow(rejection("forbidden", /0600/));
    }
    await chmod(path, 0o600);
    await expect(fileSigner(path)).rejects.toThrow(
      rejection("unauthenticated", /key\.pem is encr/),
    );
    await expect(fileSigner(path, { passphrase: "wrong" })).rejects.toThrow(
      rejection("unauthenticated", /key\.pem is wrong/),
    );
    expect((await fileSigner(path, { passphrase: "right" })).algorithm).toBe("ed25519");
    await writeFile(path, "nothing");
    await expect(fileSigner(path)).rejects.toThrow(rejection("state-corrupt", /key\.pem/));
  });
});

describe("issueCertificate", () => {
  test("signs with the issuer's key, and with no other", async () => {
    const root = await testRoot();
    const { spki, privateKey } = await generateKeyPair("ecdsa-p256");
    const issuer = { kind: "authority", certificate: root.certificate } as const;
    const leaf = await issueCertificate(
      testTemplate(spki),
      issuer,
      keySigner(root.keys.privateKey),
    );
    const { tbs, signature } = leaf;
    expect(nodeCryptoPort.verify(root.keys.spki, tbs, signature, "ecdsa-sha256")).toBe(true);
    await expect(
      issueCertificate(testTemplate(spki), issuer, keySigner(privateKey)),
    ).rejects.toThrow(/holds the issuer's key/);
  });
});

describe("signBytes", () => {
  test("leaves the stack trace limit as it was, also when signing fails", async () => {
    const { privateKey } = await generateKeyPair("ed25519");
    const limit = Error.stackTraceLimit;
    signBytes(privateKey, Uint8Array.of(1), "ed25519");
    expect(() => signBytes(privateKey, Uint8Array.of(1), "rsa-sha256")).toThrow(
      /digest|unsupported/i,
    );
    expect(Error.stackTraceLimit).toBe(limit);
  });
});
