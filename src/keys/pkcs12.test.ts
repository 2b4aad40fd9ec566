import { execFileSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  openssl,
  testCertificate,
  testNowMs,
  testRoot,
  dayMs,
} from "../../test/support/certificates.ts";
import type { TestAuthority } from "../../test/support/certificates.ts";
import { makeLasting } from "../../test/support/cleanup.ts";
import type { Lasting } from "../../test/support/cleanup.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { isDomainError } from "../kit/index.ts";
import { authorityProfile, encodePem, parseNameText } from "../pki/index.ts";
import { generateKeyPair, keyPairOf, privateKeyToPem } from "./key-pair.ts";
import { makePkcs12, openPkcs12, type KeyAndChain } from "./pkcs12.ts";

const passphrase = "correct horse";

let lasting: Lasting<string>;
let root: TestAuthority;
let ec: KeyAndChain;
let rsa: KeyAndChain;

beforeAll(async () => {
  lasting = await makeLasting(tempFolder);
  root = await testRoot();
  ec = await authorityBelow(root, "ecdsa-p256", "ec");
  rsa = await authorityBelow(root, "rsa-2048", "rsa");
});

afterAll(() => lasting.remove());

const at = (name: string): string => join(lasting.made, name);

/** An intermediate authority, with its key and certificates in PEM files of that name. */
async function authorityBelow(
  parent: TestAuthority,
  algorithm: "ecdsa-p256" | "rsa-2048",
  name: string,
): Promise<KeyAndChain> {
  const { privateKey, spki } = await generateKeyPair(algorithm);
  const certificate = testCertificate(parent, spki, {
    profile: authorityProfile("cross-certificate", 0),
    subject: parseNameText(`CN=Issuing ${name}`),
    subjectAltName: [],
    notAfterMs: testNowMs + 3000 * dayMs,
  });
  await writeFile(at(`${name}.key`), privateKeyToPem(privateKey));
  await writeFile(at(`${name}.pem`), encodePem("CERTIFICATE", certificate.der));
  await writeFile(at("root.pem"), encodePem("CERTIFICATE", parent.certificate.der));
  return { privateKey, certificate, chain: [parent.certificate] };
}

/** What openssl pkcs12 -export makes of the files of `name`. */
async function exported(name: string, secret: string, args: readonly string[]): Promise<Buffer> {
  const files = ["-inkey", at(`${name}.key`), "-in", at(`${name}.pem`), "-certfile"];
  const out = ["-passout", `pass:${secret}`, "-out", at("made.p12")];
  openssl(["pkcs12", "-export", ...files, at("root.pem"), ...args, ...out]);
  return readFile(at("made.p12"));
}

function expectSame(opened: KeyAndChain, wanted: KeyAndChain): void {
  expect(keyPairOf(opened.privateKey).spki).toEqual(keyPairOf(wanted.privateKey).spki);
  expect(opened.certificate.der).toEqual(wanted.certificate.der);
  expect(opened.chain.map(({ der }) => der)).toEqual(wanted.chain.map(({ der }) => der));
}

function keytool(args: readonly string[]): string {
  return execFileSync("keytool", args, { encoding: "utf8", stdio: "pipe" });
}

describe("openPkcs12", () => {
  const pbes2 = (cipher: string): string[] => ["-keypbe", cipher, "-certpbe", cipher];
  test.each<[string, string, string[]]>([
    ["with its defaults", passphrase, []],
    ["with -legacy (RC2 with 40 bits, 3DES, SHA-1)", passphrase, ["-legacy"]],
    ["with -descert (3DES)", passphrase, ["-legacy", "-descert"]],
    ["with RC2 of 128 bits", passphrase, ["-legacy", "-certpbe", "PBE-SHA1-RC2-128"]],
    ["with 3DES of two keys", passphrase, ["-legacy", ...pbes2("PBE-SHA1-2DES")]],
    ["without a MAC", passphrase, ["-nomac"]],
    ["without a MAC, as of old", passphrase, ["-legacy", "-nomac"]],
    ["with AES-128 and a SHA-512 MAC", passphrase, [...pbes2("AES-128-CBC"), "-macalg", "sha512"]],
    ["with AES-192 and a SHA-384 MAC", passphrase, [...pbes2("AES-192-CBC"), "-macalg", "sha384"]],
    ["with a SHA-1 MAC", passphrase, ["-macalg", "sha1"]],
    ["with nothing encrypted", passphrase, pbes2("NONE")],
    ["with an empty passphrase", "", []],
    ["with an empty passphrase, as of old", "", ["-legacy"]],
    ["with a passphrase beyond ASCII", "Schlüssel 鍵 🔑", []],
    ["with a passphrase beyond ASCII, as of old", "Schlüssel 鍵 🔑", ["-legacy"]],
  ])("reads key and chain when openssl wrote it %s", async (_, secret, args) => {
    expectSame(openPkcs12(await exported("ec", secret, args), secret, "ca.p12"), ec);
    const wrong = attemptWith(await readFile(at("made.p12")), `${secret}!`);
    const isLocked = !args.includes("NONE") || !args.includes("-nomac");
    expect(isDomainError(wrong, "unauthenticated")).toBe(isLocked);
    expectSame(openPkcs12(await exported("rsa", secret, args), secret, "ca.p12"), rsa);
  });

  /** What it throws. */
  function attemptWith(bytes: Uint8Array, secret: string): unknown {
    try {
      return openPkcs12(bytes, secret, "ca.p12");
    } catch (error) {
      return error;
    }
  }

  test.each([
    ["by itself", []],
    ["as it did of old", ["-J-Dkeystore.pkcs12.legacy"]],
  ])("reads what Java's keytool wrote %s", (_, options) => {
    const file = at(`java-${options.length}.p12`);
    const store = ["-storetype", "PKCS12", "-keystore", file, "-storepass", passphrase];
    const key = ["-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=Java", "-alias", "ca"];
    keytool([...options, "-genkeypair", ...store, ...key, "-ext", "bc:c=ca:true"]);
    return readFile(file).then((bytes) => {
      const { certificate, chain } = openPkcs12(bytes, passphrase, "java.p12");
      expect(certificate.subject.rdns[0]?.[0]?.value).toBe("Java");
      expect(chain).toEqual([]);
    });
  });

  test("says what it lacks when it has no key, two keys, or no certificate of its key", async () => {
    const out = ["-passout", `pass:${passphrase}`, "-out", at("odd.p12")];
    const read = async (): Promise<unknown> =>
      attemptWith(await readFile(at("odd.p12")), passphrase);
    openssl(["pkcs12", "-export", "-nokeys", "-in", at("root.pem"), ...out]);
    expect(await read()).toMatchObject({ message: expect.stringMatching(/has no private key/) });
    openssl(["pkcs12", "-export", "-nocerts", "-inkey", at("ec.key"), ...out]);
    expect(await read()).toMatchObject({ message: expect.stringMatching(/no certificate of its/) });
    for (const name of ["ec", "rsa"]) {
      await exported(name, passphrase, ["-name", name]);
      const from = ["-srckeystore", at("made.p12"), "-srcstorepass", passphrase];
      const to = ["-destkeystore", at("two.p12"), "-deststorepass", passphrase];
      keytool(["-importkeystore", "-noprompt", ...from, ...to, "-deststoretype", "PKCS12"]);
    }
    const two = attemptWith(await readFile(at("two.p12")), passphrase);
    expect(two).toMatchObject({ message: expect.stringMatching(/has 2 private keys/) });
  });

  test("tells damage from a wrong passphrase, and never answers otherwise, when bytes change", async () => {
    const bytes = await exported("ec", passphrase, ["-iter", "1", "-maciter"]);
    expect(attemptWith(bytes.subarray(0, -40), passphrase)).toMatchObject({
      code: "invalid-input",
      message: "ca.p12 is damaged, or not a PKCS#12 container that can be read",
    });
    for (let i = 0; i < bytes.length; i += 7) {
      const damaged = Uint8Array.from(bytes);
      damaged[i] = (damaged[i] as number) ^ 0x55;
      const result = attemptWith(damaged, passphrase);
      const isExpected =
        isDomainError(result, "unauthenticated") || isDomainError(result, "invalid-input");
      if (!isExpected) expectSame(result as KeyAndChain, ec);
    }
  });
});

describe("makePkcs12", () => {
  test.each(["modern", "legacy"] as const)(
    "makes what openssl and keytool read, and we read back, when the form is %s",
    async (form) => {
      for (const [name, content] of [
        ["ec", ec],
        ["rsa", rsa],
      ] as const) {
        const file = at(`ours-${name}-${form}.p12`);
        const bytes = makePkcs12(content, { passphrase, friendlyName: "domain", form });
        await writeFile(file, bytes);
        expectSame(openPkcs12(bytes, passphrase, "ours.p12"), content);
        const read = ["pkcs12", "-in", file, "-passin", `pass:${passphrase}`];
        const printed = openssl([...read, "-nodes"]);
        expect(printed.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
        const key = createPublicKey(printed.slice(printed.indexOf("-----BEGIN PRIVATE KEY")));
        expect(key.export({ format: "der", type: "spki" })).toEqual(
          Buffer.from(keyPairOf(content.privateKey).spki),
        );
      }
      const store = ["-keystore", at(`ours-ec-${form}.p12`), "-storepass", passphrase];
      const listed = keytool(["-list", "-v", ...store]);
      expect(listed).toMatch(/Alias name: domain/);
      expect(listed).toMatch(/Certificate chain length: 2/);
      const to = ["-destkeystore", at(`java-${form}.p12`), "-deststorepass", passphrase];
      const from = ["-srckeystore", at(`ours-ec-${form}.p12`), "-srcstorepass", passphrase];
      keytool(["-importkeystore", "-noprompt", ...from, ...to, "-deststoretype", "PKCS12"]);
      const back = await readFile(at(`java-${form}.p12`));
      expectSame(openPkcs12(back, passphrase, "back.p12"), ec);
    },
  );

  test.each(["modern", "legacy"] as const)(
    "makes a file for an empty passphrase and one beyond ASCII that openssl reads when it is %s",
    async (form) => {
      for (const secret of ["", "Schlüssel 鍵 🔑"]) {
        await writeFile(
          at("x.p12"),
          makePkcs12(ec, { passphrase: secret, friendlyName: "d", form }),
        );
        const printed = openssl([
          "pkcs12",
          "-in",
          at("x.p12"),
          "-passin",
          `pass:${secret}`,
          "-nodes",
        ]);
        expect(printed).toContain("BEGIN PRIVATE KEY");
      }
    },
  );
});
