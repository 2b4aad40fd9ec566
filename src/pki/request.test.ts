import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CertificationRequest as OracleRequest } from "@peculiar/asn1-csr";
import { AsnConvert } from "@peculiar/asn1-schema";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openssl, testRequest, testTemplate } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { generateKeyPair, keyPairOf, nodeCryptoPort, privateKeyFromPem } from "../keys/index.ts";
import type { KeyAlgorithm } from "../keys/index.ts";
import { isDomainError } from "../kit/index.ts";
import { formatName } from "./name-text.ts";
import { encodePem } from "./pem.ts";
import { processProfile } from "./profiles.ts";
import { completeRequest, prepareRequest } from "./request-build.ts";
import { parseRequest, parseRequestPem, verifyRequestSignature } from "./request.ts";

describe("a request of ours", () => {
  test.each<KeyAlgorithm>(["ecdsa-p256", "ecdsa-p384", "rsa-3072", "ed25519"])(
    "is accepted by openssl req -verify when the key is %s",
    async (algorithm) => {
      const request = testRequest(await generateKeyPair(algorithm));
      const path = join(await tempFolder(), "request.pem");
      await writeFile(path, encodePem("CERTIFICATE REQUEST", request.der));
      const text = openssl(["req", "-in", path, "-verify", "-noout", "-text"]);
      expect(text).toContain("Subject: CN = nodemanager-1, OU = group-1, DC = host-1");
      expect(text).toContain("URI:spiffe://domain.example/nm/host-1, DNS:host-1");
      expect(text).toContain("1.3.6.1.4.1.17998.10.1.1.2.1");
    },
  );

  test("is read back with what it asks for, its signature holds, and @peculiar/asn1-csr agrees", async () => {
    const request = testRequest(await generateKeyPair("ecdsa-p256"));
    expect(verifyRequestSignature(request, nodeCryptoPort)).toBe(true);
    expect(request.extensions.extendedKeyUsage).toEqual(processProfile("nm").extendedKeyUsage);
    expect(request.extensions.subjectAltName).toHaveLength(3);
    const oracle = AsnConvert.parse(request.der, OracleRequest);
    expect(new Uint8Array(AsnConvert.serialize(oracle))).toEqual(request.der);
  });

  test("asks only for its names when it has no profile", async () => {
    const request = testRequest(await generateKeyPair("ed25519"), { profile: null });
    expect(request.extensions.raw).toHaveLength(1);
  });

  test("is refused when its key is weak, and its ticket works once", async () => {
    const pem = openssl(["genrsa", "1024"]);
    const { spki } = keyPairOf(privateKeyFromPem(pem, { what: "the key" }));
    const { subject, subjectAltName } = testTemplate(spki);
    const template = { subject, spki, subjectAltName, profile: null };
    expect(() => prepareRequest(template)).toThrow(/RSA key of 1024 bits/);
    const good = await generateKeyPair("ed25519");
    const ticket = prepareRequest({ ...template, spki: good.spki });
    completeRequest(ticket, new Uint8Array(64));
    expect(() => completeRequest(ticket, new Uint8Array(64))).toThrow(/used once/);
  });
});

describe("verifyRequestSignature", () => {
  test("is false when any byte of the signed part or of the signature is changed", async () => {
    const { der } = testRequest(await generateKeyPair("ecdsa-p256"));
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Uint8Array.from(der);
        bytes[at] = (bytes[at] as number) ^ flip;
        try {
          return !verifyRequestSignature(parseRequest(bytes), nodeCryptoPort);
        } catch (error) {
          return isDomainError(error, "invalid-input");
        }
      }),
      { numRuns: 300 },
    );
  });

  test("is false when the algorithm is not one of the key, or is SHA-1", async () => {
    const request = testRequest(await generateKeyPair("ecdsa-p256"));
    for (const signatureAlgorithm of ["rsa-sha256", "ed25519", null] as const) {
      expect(verifyRequestSignature({ ...request, signatureAlgorithm }, nodeCryptoPort)).toBe(
        false,
      );
    }
  });
});

describe("parseRequestPem", () => {
  test.each([
    ["EC", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ["RSA", ["-newkey", "rsa:2048"]],
    ["Ed25519", ["-newkey", "ed25519"]],
  ])("reads and verifies what openssl made with %s", (_, options) => {
    const making = [
      "req",
      "-new",
      ...options,
      "-nodes",
      "-keyout",
      "/dev/null",
      "-subj",
      "/CN=a/DC=b",
    ];
    const request = parseRequestPem(
      openssl([...making, "-addext", "subjectAltName=DNS:a.example"]),
    );
    expect(formatName(request.subject)).toBe("CN=a,DC=b");
    expect(request.extensions.subjectAltName).toEqual([{ type: "dns", value: "a.example" }]);
    expect(verifyRequestSignature(request, nodeCryptoPort)).toBe(true);
    expect(parseRequestPem(openssl(making)).extensions.raw).toEqual([]);
  });

  test("names the problem when it is something else", () => {
    expect(() => parseRequestPem("nothing")).toThrow(/the certificate request has no PEM block/);
    const notOne = encodePem("CERTIFICATE REQUEST", Uint8Array.of(0x30, 0));
    expect(() => parseRequestPem(notOne)).toThrow(/not a certificate request/);
  });
});
