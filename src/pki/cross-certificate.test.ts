import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  dayMs,
  openssl,
  testCertificate,
  testNowMs,
  testRng,
  testRoot,
} from "../../test/support/certificates.ts";
import type { TestAuthority } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { generateKeyPair, keyPairOf, nodeCryptoPort, privateKeyFromPem } from "../keys/index.ts";
import { parseCertificatesPem } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { crossCertificateTemplate } from "./cross-certificate.ts";
import { verifyPath } from "./path.ts";
import { encodePem } from "./pem.ts";
import { randomSerial } from "./serial.ts";

/** An authority that openssl made, whose subject key identifier is of SHA-1. */
async function opensslAuthority(): Promise<TestAuthority> {
  const keyPem = openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout"]);
  const path = join(await tempFolder(), "key.pem");
  await writeFile(path, keyPem, { mode: 0o600 });
  const pem = openssl(["req", "-x509", "-key", path, "-subj", "/CN=Provided", "-days", "365"]);
  const [certificate] = parseCertificatesPem(pem) as [Certificate];
  return { keys: keyPairOf(privateKeyFromPem(keyPem, { what: "the key" })), certificate };
}

const serial = (): Uint8Array => randomSerial(testRng);

describe("crossCertificateTemplate", () => {
  test("leads from a leaf of a provided root to the old one, for us and for openssl", async () => {
    const folder = await tempFolder();
    const [old, provided] = [await testRoot({ pathLength: 3 }), await opensslAuthority()];
    const notBeforeMs = provided.certificate.notBeforeMs;
    const template = crossCertificateTemplate(provided.certificate, old.certificate, {
      serial: serial(),
      notBeforeMs,
    });
    const { subject, spki } = template;
    const cross = testCertificate(old, spki, template);
    expect(subject).toBe(provided.certificate.subject);
    expect(cross.extensions.basicConstraints).toEqual({ isAuthority: true, pathLength: 2 });
    expect(cross.notAfterMs).toBe(provided.certificate.notAfterMs);
    const times = { notBeforeMs, notAfterMs: notBeforeMs + 30 * dayMs };
    const { spki: leafSpki } = await generateKeyPair("ecdsa-p256");
    const leaf = testCertificate(provided, leafSpki, times);
    const atMs = Math.max(testNowMs, notBeforeMs + 1000);
    const input = { leaf, atMs, purpose: "serverAuth" } as const;
    const viaCross = { ...input, intermediates: [cross], anchors: [old.certificate] };
    expect(verifyPath(viaCross, nodeCryptoPort).ok).toBe(true);
    const direct = { ...input, intermediates: [], anchors: [provided.certificate] };
    expect(verifyPath(direct, nodeCryptoPort).ok).toBe(true);
    const files = { old: old.certificate, cross, leaf };
    for (const [name, { der }] of Object.entries(files)) {
      await writeFile(join(folder, name), encodePem("CERTIFICATE", der));
    }
    const [trusted, untrusted] = [join(folder, "old"), join(folder, "cross")];
    const args = ["verify", "-x509_strict", "-attime", `${Math.floor(atMs / 1000)}`];
    const verdict = openssl([
      ...args,
      "-CAfile",
      trusted,
      "-untrusted",
      untrusted,
      join(folder, "leaf"),
    ]);
    expect(verdict).toContain("OK");
  });

  test("keeps the shorter path length, and is refused below an authority of leaves only", async () => {
    const newRoot = (await testRoot({ subject: "CN=New", pathLength: 0 })).certificate;
    const options = { serial: serial(), notBeforeMs: testNowMs };
    const unlimited = await testRoot();
    const template = crossCertificateTemplate(newRoot, unlimited.certificate, options);
    expect(template.profile.basicConstraints.pathLength).toBe(0);
    const leavesOnly = await testRoot({ pathLength: 0 });
    const refused = crossCertificateTemplate(newRoot, leavesOnly.certificate, options);
    expect(() => testCertificate(leavesOnly, refused.spki, refused)).toThrow(/issuer-may-issue/);
  });
});
