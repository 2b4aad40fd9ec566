import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  dayMs,
  openssl,
  testNowMs,
  testRequest,
  testRoot,
} from "../../test/support/certificates.ts";
import type { TestAuthority } from "../../test/support/certificates.ts";
import {
  formatName,
  parseCertificate,
  parseNameText,
  processProfile,
  verifyPath,
} from "../pki/index.ts";
import type { CertificateRequest } from "../pki/index.ts";
import { generateKeyPair } from "./key-pair.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import { createSigningPool } from "./signing-pool.ts";
import type { SigningJob, SigningPool } from "./signing-pool.ts";

let root: TestAuthority;
let request: CertificateRequest;

beforeAll(async () => {
  root = await testRoot();
  request = testRequest(await generateKeyPair("ecdsa-p256"));
});

function pool(size: number): SigningPool {
  const created = createSigningPool({ size });
  onTestFinished(() => created.close());
  created.addAuthority("root", { privateKey: root.keys.privateKey, certificate: root.certificate });
  return created;
}

function job(changes: Partial<SigningJob> = {}): SigningJob {
  return {
    authorityId: "root",
    requestDer: request.der,
    profile: processProfile("nm"),
    subject: null,
    subjectAltName: [{ type: "dns", value: "host-1" }],
    notBeforeMs: testNowMs - dayMs,
    notAfterMs: testNowMs + 30 * dayMs,
    ...changes,
  };
}

describe("the signing pool", () => {
  test("issues certificates that verify, each with its own serial, when many jobs come at once", async () => {
    const signing = pool(2);
    const issued = await Promise.all(Array.from({ length: 300 }, () => signing.issue(job())));
    expect(new Set(issued.map(({ serialHex }) => serialHex)).size).toBe(300);
    for (const { der, serialHex } of issued) {
      const leaf = parseCertificate(der);
      expect(leaf.serialHex).toBe(serialHex);
      const input = { leaf, intermediates: [], anchors: [root.certificate], atMs: testNowMs };
      expect(verifyPath({ ...input, purpose: "clientAuth" }, nodeCryptoPort).ok).toBe(true);
    }
  });

  test("takes the subject from the job, or from the request where the job has none", async () => {
    const signing = pool(1);
    const [own, given] = await Promise.all([
      signing.issue(job()),
      signing.issue(job({ subject: parseNameText("CN=a,OU=b") })),
    ]);
    expect(formatName(parseCertificate(own.der).subject)).toBe(formatName(request.subject));
    expect(formatName(parseCertificate(given.der).subject)).toBe("CN=a,OU=b");
    expect(parseCertificate(own.der).spki).toEqual(request.spki);
  });

  test("rejects only the job that is wrong, with the code that says why", async () => {
    const signing = pool(1);
    const forged = Uint8Array.from(request.der);
    forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
    const jobs: [Partial<SigningJob>, string | undefined][] = [
      [{}, undefined],
      [{ requestDer: forged }, "signature-invalid"],
      [{ requestDer: Uint8Array.of(1) }, "invalid-input"],
      [{ authorityId: "other" }, "authority-unavailable"],
      [{ subjectAltName: [] }, "certificate-rejected"],
      [{ notAfterMs: testNowMs + 9999 * dayMs }, "certificate-rejected"],
      [{}, undefined],
    ];
    const outcomes = await Promise.allSettled(jobs.map(([changes]) => signing.issue(job(changes))));
    const codes = outcomes.map((each) =>
      each.status === "rejected" ? (each.reason as { code: string }).code : undefined,
    );
    expect(codes).toEqual(jobs.map(([, code]) => code));
  });

  test("uses authorities from the moment they are added until they are removed", async () => {
    const signing = pool(2);
    await signing.issue(job());
    const next = await testRoot({ subject: "CN=Next", algorithm: "ed25519" });
    signing.addAuthority("next", {
      privateKey: next.keys.privateKey,
      certificate: next.certificate,
    });
    const many = Array.from({ length: 50 }, () => signing.issue(job({ authorityId: "next" })));
    for (const { der } of await Promise.all(many)) {
      expect(formatName(parseCertificate(der).issuer)).toBe("CN=Next");
    }
    signing.removeAuthority("next");
    await expect(signing.issue(job({ authorityId: "next" }))).rejects.toMatchObject({
      code: "authority-unavailable",
    });
    const wrongKey = { privateKey: root.keys.privateKey, certificate: next.certificate };
    expect(() => signing.addAuthority("mixed", wrongKey)).toThrow(/belongs to its certificate/);
  });

  test("rejects what waits and what comes when it is closed", async () => {
    const signing = createSigningPool({ size: 1 });
    signing.addAuthority("root", {
      privateKey: root.keys.privateKey,
      certificate: root.certificate,
    });
    const waiting = Promise.allSettled(Array.from({ length: 40 }, () => signing.issue(job())));
    await signing.close();
    for (const outcome of await waiting) {
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { code: "authority-unavailable" },
      });
    }
    await expect(signing.issue(job())).rejects.toMatchObject({ code: "authority-unavailable" });
  });

  test("starts a worker anew, with the keys, when one has died", async () => {
    const signing = pool(1);
    await signing.issue(job());
    const certificate = { ...root.certificate, der: Uint8Array.of(1) };
    signing.addAuthority("deadly", { privateKey: root.keys.privateKey, certificate });
    await expect(signing.issue(job())).rejects.toMatchObject({ code: "authority-unavailable" });
    signing.removeAuthority("deadly");
    expect((await signing.issue(job())).serialHex).toMatch(/^[0-9a-f]{32}$/);
  });

  test("refuses more when ten thousand jobs wait", async () => {
    const signing = createSigningPool({ size: 1 });
    const waiting = Array.from({ length: 10_002 }, () =>
      signing.issue(job({ authorityId: "none" })),
    );
    const outcomes = Promise.allSettled(waiting);
    await signing.close();
    const last = (await outcomes).at(-1);
    expect(last).toMatchObject({ status: "rejected", reason: { code: "rate-limited" } });
  });

  test("signs what openssl requested", async () => {
    const making = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null"];
    const pem = openssl([...making, "-subj", "/CN=foreign", "-outform", "PEM"]);
    const requestDer = Buffer.from(pem.replace(/-----.*-----|\n/g, ""), "base64");
    const { der } = await pool(1).issue(job({ requestDer }));
    expect(formatName(parseCertificate(der).subject)).toBe("CN=foreign");
  });
});
