import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  openssl,
  testCertificate,
  testRequest,
  testRoot,
} from "../../test/support/certificates.ts";
import { makeLasting } from "../../test/support/cleanup.ts";
import type { Lasting } from "../../test/support/cleanup.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { generateKeyPair, privateKeyToPem } from "../keys/index.ts";
import { readCertificates } from "./certificate-file.ts";
import { encodePem } from "./pem.ts";

let lasting: Lasting<string>;
let folder: string;
let rootPem: string;
let leafPem: string;
let keyPem: string;
let requestPem: string;
let serials: string[];

beforeAll(async () => {
  lasting = await makeLasting(tempFolder);
  folder = lasting.made;
  const root = await testRoot();
  const keys = await generateKeyPair("ecdsa-p256");
  const leaf = testCertificate(root, keys.spki);
  rootPem = encodePem("CERTIFICATE", root.certificate.der);
  leafPem = encodePem("CERTIFICATE", leaf.der);
  keyPem = privateKeyToPem(keys.privateKey);
  requestPem = encodePem("CERTIFICATE REQUEST", testRequest(keys).der);
  serials = [leaf.serialHex, root.certificate.serialHex];
  await writeFile(join(folder, "leaf.pem"), leafPem);
  await writeFile(join(folder, "key.pem"), keyPem);
  await writeFile(join(folder, "root.pem"), rootPem);
  await writeFile(join(folder, "both.pem"), leafPem + rootPem);
});

afterAll(() => lasting.remove());

/** What openssl writes into a new file when it gets these arguments and `-out`. */
async function written(name: string, args: readonly string[]): Promise<Uint8Array> {
  openssl([...args.map((each) => each.replace("@", `${folder}/`)), "-out", join(folder, name)]);
  return readFile(join(folder, name));
}

/** The serial numbers of the certificates in a file. */
function serialsIn(bytes: Uint8Array): string[] {
  return readCertificates(bytes, "back.pem").map(({ serialHex }) => serialHex);
}

describe("readCertificates", () => {
  test("reads one and several when the file is PEM, with text and a key between them", () => {
    expect(serialsIn(Buffer.from(leafPem))).toEqual(serials.slice(0, 1));
    const mixed = `Bag Attributes\n${leafPem}${keyPem}subject=CN = Domain\n${rootPem}`;
    expect(serialsIn(Buffer.from(mixed))).toEqual(serials);
  });

  test("reads what openssl wrote when the form is DER or its trusted PEM", async () => {
    const der = await written("leaf.der", ["x509", "-in", "@leaf.pem", "-outform", "DER"]);
    expect(serialsIn(der)).toEqual(serials.slice(0, 1));
    const trusted = ["x509", "-in", "@leaf.pem", "-addtrust", "clientAuth", "-trustout"];
    expect(serialsIn(await written("trusted.pem", trusted))).toEqual(serials.slice(0, 1));
  });

  test("reads what openssl wrote when the form is PKCS#7, in PEM, DER or BER in pieces", async () => {
    const only = ["crl2pkcs7", "-nocrl", "-certfile", "@both.pem"];
    expect(serialsIn(await written("both.p7b", only))).toEqual(serials);
    expect(serialsIn(await written("both.p7c", [...only, "-outform", "DER"]))).toEqual(serials);
    const streamed = ["cms", "-sign", "-in", "@both.pem", "-signer", "@leaf.pem", "-inkey"];
    const options = ["@key.pem", "-certfile", "@root.pem", "-nodetach", "-binary", "-stream"];
    const ber = await written("both.ber", [...streamed, ...options, "-outform", "DER"]);
    expect(ber[1]).toBe(0x80);
    expect(new Set(serialsIn(ber))).toEqual(new Set(serials));
  });

  test("says what the file is when it has no certificate", async () => {
    const der = await written("key.der", ["pkey", "-in", "@key.pem", "-outform", "DER"]);
    const locked = await written("locked.der", [
      "pkcs8",
      "-topk8",
      "-in",
      "@key.pem",
      "-outform",
      "DER",
      "-passout",
      "pass:x",
    ]);
    const sec1 = await written("ec.der", ["ec", "-in", "@key.pem", "-outform", "DER"]);
    const p12 = await written("leaf.p12", [
      "pkcs12",
      "-export",
      "-in",
      "@leaf.pem",
      "-inkey",
      "@key.pem",
      "-passout",
      "pass:x",
    ]);
    await writeFile(join(folder, "request.pem"), requestPem);
    const csr = await written("csr.der", ["req", "-in", "@request.pem", "-outform", "DER"]);
    const expected: readonly (readonly [Uint8Array, string])[] = [
      [Buffer.from(keyPem), "a private key"],
      [der, "a private key"],
      [sec1, "a private key"],
      [locked, "an encrypted private key"],
      [Buffer.from(requestPem), "a certificate request (CSR)"],
      [csr, "a certificate request (CSR)"],
      [p12, "a PKCS#12 container (P12)"],
      [Buffer.from(" \n"), "empty"],
      [Buffer.from("<!DOCTYPE html><html>Please log in"), "an HTML page"],
      [Buffer.from("<?xml version='1.0'?>"), "an XML document"],
      [Buffer.from("hello"), "not a file of a known form"],
    ];
    for (const [bytes, kind] of expected) {
      expect(() => readCertificates(bytes, "back.pem")).toThrow(
        `back.pem has no certificate: it is ${kind}`,
      );
    }
  });

  test("refuses a file when it is cut off, in any of its forms", async () => {
    expect(() => readCertificates(Buffer.from(leafPem.slice(0, -30)), "back.pem")).toThrow(
      /damaged or cut off/,
    );
    for (const name of ["leaf.der", "both.p7c", "both.ber"]) {
      const bytes = await readFile(join(folder, name));
      expect(() => readCertificates(bytes.subarray(0, -9), "back.pem")).toThrow(/no certificate/);
    }
  });
});
