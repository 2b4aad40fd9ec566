import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { testRequest, testRoot } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { encodePem } from "../pki/index.ts";
import { collectCertificates, readCertificateFiles } from "./certificate-files.ts";
import { generateKeyPair, privateKeyToPem } from "./key-pair.ts";

let folder: string;
let der: Uint8Array;
let pem: string;
const write = (name: string, content: string | Uint8Array): Promise<void> =>
  writeFile(join(folder, name), content);

beforeEach(async () => {
  folder = await tempFolder();
  der = Uint8Array.from((await testRoot()).certificate.der);
  pem = encodePem("CERTIFICATE", der);
});

describe("the folder of a ceremony", () => {
  test("is taken back with certificates beside the manifest and the requests", async () => {
    const keys = await generateKeyPair("ecdsa-p256");
    await write("manifest.json", "{}");
    await write("a.csr", encodePem("CERTIFICATE REQUEST", testRequest(keys).der));
    await write("key.pem", privateKeyToPem(keys.privateKey));
    await write("README", "signed on Monday");
    await mkdir(join(folder, "old.pem"));
    await write("a.pem", pem);
    await write("b.der", der);
    const { certificates, unreadable } = await collectCertificates([folder]);
    expect(certificates).toHaveLength(2);
    expect(unreadable).toEqual([]);
  });

  test("names each damaged file, and gives the others", async () => {
    await write("good.pem", pem);
    await write("cut.pem", pem.slice(0, 200));
    await write("changed.txt", pem.replace(/^M.*$/m, "MIIB"));
    await write("cut.crt", der.slice(0, 100));
    await write("cut.p7b", Uint8Array.of(0x30, 0x82, 1, 0, 6, 9));
    await write("empty.cer", "");
    const { certificates, unreadable } = await collectCertificates([folder]);
    expect(certificates).toHaveLength(1);
    const named = unreadable.map((line) => line.slice(folder.length + 1).split(/[ :]/)[0]);
    expect(named).toEqual(["changed.txt", "cut.crt", "cut.p7b", "cut.pem", "empty.cer"]);
    await expect(readCertificateFiles([folder])).rejects.toMatchObject({ code: "invalid-input" });
  });

  test("is refused where it holds no certificate at all", async () => {
    await write("a.csr", "nothing");
    await expect(collectCertificates([folder])).rejects.toThrow(/no certificate in the folder/);
  });
});

test("a file that was named is read as certificates, whatever it is called", async () => {
  await write("good.pem", pem);
  await write("notes.txt", "signed on Monday");
  const paths = ["good.pem", "notes.txt"].map((name) => join(folder, name));
  const { certificates, unreadable } = await collectCertificates(paths);
  expect(certificates).toHaveLength(1);
  expect(unreadable).toEqual([expect.stringContaining("notes.txt has no certificate")]);
  await expect(collectCertificates([join(folder, "away.pem")])).rejects.toMatchObject({
    code: "not-found",
  });
});
