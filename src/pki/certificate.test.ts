import { readFile, writeFile } from "node:fs/promises";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Certificate as OracleCertificate } from "@peculiar/asn1-x509";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openssl, testCertificate, testNowMs, testRoot } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { generateKeyPair, nodeCryptoPort } from "../keys/index.ts";
import type { KeyAlgorithm } from "../keys/index.ts";
import { isDomainError } from "../kit/index.ts";
import {
  certificateFingerprint,
  certificateText,
  isProbeCertificate,
  isSelfIssued,
  parseCertificate,
  parseCertificatesPem,
  spkiFingerprint,
} from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { formatTime } from "./civil-time.ts";
import { formatGeneralName } from "./general-name.ts";
import { formatName, parseNameText } from "./name-text.ts";
import { oid } from "./oid.ts";
import { encodePem } from "./pem.ts";
import { processProfile, trafficProfile } from "./profiles.ts";
import { publicKeyText } from "./public-key.ts";

const algorithms: KeyAlgorithm[] = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "ed25519"];

describe("a certificate of ours", () => {
  test.each(algorithms)(
    "is accepted by openssl -x509_strict when the keys are %s",
    async (algorithm) => {
      const folder = await tempFolder();
      const root = await testRoot({ algorithm, pathLength: 0 });
      const { spki } = await generateKeyPair(algorithm);
      const leaf = testCertificate(root, spki, { profile: processProfile("anm") });
      const [rootPath, leafPath] = [join(folder, "root.pem"), join(folder, "leaf.pem")];
      await writeFile(rootPath, encodePem("CERTIFICATE", root.certificate.der));
      await writeFile(leafPath, encodePem("CERTIFICATE", leaf.der));
      const time = String(testNowMs / 1000);
      for (const purpose of ["sslclient", "sslserver"]) {
        const verdict = openssl([
          "verify",
          "-x509_strict",
          "-check_ss_sig",
          "-attime",
          time,
          "-purpose",
          purpose,
          "-CAfile",
          rootPath,
          leafPath,
        ]);
        expect(verdict).toContain("leaf.pem: OK");
      }
      const text = openssl(["x509", "-in", leafPath, "-noout", "-text"]);
      expect(text).toContain("Issuer: CN = Domain\n");
      expect(text).toContain("Subject: CN = nodemanager-1, OU = group-1, DC = host-1\n");
      expect(text).toContain(
        "TLS Web Server Authentication, TLS Web Client Authentication, " +
          "1.3.6.1.4.1.17998.10.1.1.2.1, 1.3.6.1.4.1.17998.10.1.1.2.2",
      );
      expect(text).toContain(
        "URI:spiffe://domain.example/nm/host-1, DNS:host-1, IP Address:127.0.0.1",
      );
      expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
      expect(text).not.toContain("DirName");
    },
  );

  test("says the same to us, to node:crypto and to @peculiar/asn1-x509", async () => {
    const root = await testRoot();
    const { spki } = await generateKeyPair("ecdsa-p256");
    const leaf = testCertificate(root, spki, { profile: trafficProfile });
    const node = new X509Certificate(leaf.der);
    expect(leaf.serialHex).toBe(node.serialNumber.toLowerCase());
    expect(formatName(leaf.subject)).toBe(node.subject.replaceAll("\n", ","));
    expect(leaf.notAfterMs).toBe(Date.parse(node.validTo));
    expect(certificateFingerprint(leaf, nodeCryptoPort)).toBe(
      node.fingerprint256.replaceAll(":", "").toLowerCase(),
    );
    const oracle = AsnConvert.parse(leaf.der, OracleCertificate);
    expect(new Uint8Array(AsnConvert.serialize(oracle))).toEqual(leaf.der);
    expect(oracle.tbsCertificate.extensions?.map((each) => each.extnID)).toEqual(
      leaf.extensions.raw.map((each) => each.oid),
    );
    expect(spkiFingerprint(spki, nodeCryptoPort)).toBe(spkiFingerprint(leaf.spki, nodeCryptoPort));
  });

  test("is known as what it is: identity, probe, self-issued", async () => {
    const root = await testRoot();
    const { spki } = await generateKeyPair("ecdsa-p256");
    const leaf = testCertificate(root, spki);
    expect(isProbeCertificate(leaf)).toBe(false);
    expect(isProbeCertificate(testCertificate(root, spki, { isProbe: true }))).toBe(true);
    expect([isSelfIssued(leaf), isSelfIssued(root.certificate)]).toEqual([false, true]);
    expect(certificateText(leaf)).toBe(
      `CN=nodemanager-1,OU=group-1,DC=host-1 (serial ${leaf.serialHex})`,
    );
    const empty = testCertificate(root, spki, { subject: parseNameText("") });
    expect(certificateText(empty)).toMatch(/^\(no subject\)/);
    expect(empty.extensions.raw.find((each) => each.oid === oid.subjectAltName)?.critical).toBe(
      true,
    );
  });
});

describe("parseCertificate", () => {
  const keyOptions = {
    "EC P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "EC P-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "EC P-521": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "RSA 2048": ["-newkey", "rsa:2048"],
    "RSA 3072": ["-newkey", "rsa:3072"],
    Ed25519: ["-newkey", "ed25519"],
  };

  test.each(Object.entries(keyOptions))("reads what openssl made with %s", async (key, options) => {
    const names =
      "DNS:a.example,IP:10.0.0.1,IP:2001:db8::1,email:a@b.example,URI:https://a/,dirName:dn";
    const folder = await tempFolder();
    const config = join(folder, "openssl.cnf");
    await writeFile(
      config,
      `[req]\ndistinguished_name=dn\n[dn]\nCN=x\n[ext]\nsubjectAltName=${names}\n` +
        "keyUsage=critical,digitalSignature,keyAgreement,decipherOnly\n" +
        "basicConstraints=CA:true,pathlen:3\nextendedKeyUsage=serverAuth,1.2.3.4\n" +
        "nameConstraints=permitted;DNS:.example,excluded;IP:10.0.0.0/255.0.0.0\n",
    );
    const pem = openssl([
      "req",
      "-x509",
      ...options,
      "-nodes",
      "-keyout",
      "/dev/null",
      "-config",
      config,
      "-extensions",
      "ext",
      "-subj",
      "/CN=made by openssl/O=b",
      "-days",
      "30",
    ]);
    const [certificate] = parseCertificatesPem(pem);
    expect(certificate).toBeDefined();
    const { extensions, publicKey, subject, notAfterMs, notBeforeMs } = certificate as Certificate;
    expect(publicKeyText(publicKey)).toBe(key);
    expect(formatName(subject)).toBe("CN=made by openssl,O=b");
    expect(notAfterMs - notBeforeMs).toBe(30 * 86_400_000);
    expect(extensions.basicConstraints).toEqual({ isAuthority: true, pathLength: 3 });
    expect(extensions.keyUsage).toEqual(["digitalSignature", "keyAgreement", "decipherOnly"]);
    expect(extensions.extendedKeyUsage).toEqual([oid.serverAuth, "1.2.3.4"]);
    expect(extensions.subjectAltName?.map(formatGeneralName).join(",")).toBe(
      names.replace("dirName:dn", "DirName"),
    );
    expect(extensions.nameConstraints?.permitted).toEqual([{ type: "dns", base: ".example" }]);
    expect(extensions.nameConstraints?.excluded).toMatchObject([{ type: "ip" }]);
    expect(extensions.subjectKeyId).toHaveLength(20);
    const node = new X509Certificate(pem);
    expect(formatTime(notAfterMs)).toBe(new Date(node.validTo).toISOString().replace(".000", ""));
  });

  test("reads a certificate whose signature is SHA-1, and says that it does not accept it", () => {
    const pem = openssl([
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "/dev/null",
      "-sha1",
      "-subj",
      "/CN=a",
    ]);
    expect(parseCertificatesPem(pem)[0]).toMatchObject({
      signatureAlgorithm: null,
      signatureAlgorithmOid: "1.2.840.113549.1.1.5",
    });
  });

  test("reads every authority that the system trusts", async () => {
    const bundle = await readFile("/etc/ssl/certs/ca-certificates.crt", "utf8").catch(() => "");
    const nodes = bundle.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? [];
    const parsed = parseCertificatesPem(bundle);
    expect(parsed.map(({ serialHex }) => serialHex.toUpperCase())).toEqual(
      nodes.map((pem) => new X509Certificate(pem).serialNumber.padStart(2, "0")),
    );
  });

  test("refuses a certificate whose two signature algorithms differ", async () => {
    const der = Buffer.from((await testRoot()).certificate.der);
    const sha256 = Buffer.from("2a8648ce3d040302", "hex");
    der[der.lastIndexOf(sha256) + sha256.length - 1] = 3;
    expect(() => parseCertificate(der)).toThrow(
      expect.objectContaining({
        cause: expect.objectContaining({ message: expect.stringContaining("algorithms differ") }),
      }),
    );
  });

  test("throws nothing but a DomainError when bytes of a certificate are changed or cut", async () => {
    const { der } = (await testRoot()).certificate;
    const change = fc.record({ at: fc.nat(der.length - 1), to: fc.nat(255), cut: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let bytes = Uint8Array.from(der);
        for (const { at, to, cut } of changes) {
          if (cut) bytes = bytes.slice(0, at);
          else if (at < bytes.length) bytes[at] = to;
        }
        try {
          parseCertificate(bytes);
        } catch (error) {
          if (!isDomainError(error, "invalid-input")) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});
