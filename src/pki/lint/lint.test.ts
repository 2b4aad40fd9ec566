import { beforeAll, describe, expect, test } from "vitest";
import {
  dayMs,
  openssl,
  testCertificate,
  testNowMs,
  testRoot,
  testTemplate,
} from "../../../test/support/certificates.ts";
import type { TestAuthority } from "../../../test/support/certificates.ts";
import { generateKeyPair, keyPairOf, nodeCryptoPort, privateKeyFromPem } from "../../keys/index.ts";
import { completeCertificate, prepareCertificate } from "../certificate-build.ts";
import type { CertificateTemplate, Issuer } from "../certificate-build.ts";
import { parseNameText } from "../name-text.ts";
import { oid } from "../oid.ts";
import { authorityProfile, processProfile, trafficProfile } from "../profiles.ts";
import { brokenRules, lints } from "./index.ts";
import type { LintInput } from "./lint.ts";

let root: TestAuthority;
let subordinate: TestAuthority;
let leaf: LintInput;
let leafSpki: Uint8Array;

beforeAll(async () => {
  root = await testRoot({ pathLength: 1 });
  const keys = await generateKeyPair("ecdsa-p256");
  const certificate = testCertificate(root, keys.spki, {
    profile: authorityProfile("cross-certificate", 0),
    subject: parseNameText("CN=Sub"),
    subjectAltName: [],
  });
  subordinate = { keys, certificate };
  leafSpki = (await generateKeyPair("ecdsa-p256")).spki;
  leaf = {
    certificate: testCertificate(root, leafSpki),
    issuer: root.certificate,
    earlierRoots: [],
  };
});

/** The rules that break when `template` is prepared for `issuer`. */
function rejected(template: CertificateTemplate, issuer: Issuer): string[] {
  try {
    prepareCertificate(template, issuer, nodeCryptoPort);
    return [];
  } catch (error) {
    const context = (error as { context?: { rules?: string } }).context;
    return (context?.rules ?? `no rules in ${String(error)}`).split(",");
  }
}

const byRoot = (): Issuer => ({ kind: "authority", certificate: root.certificate });
const cross = authorityProfile("cross-certificate", 0);
const authorityChanges = { subject: parseNameText("CN=New"), subjectAltName: [] };

describe("prepareCertificate", () => {
  test("signs nothing that breaks a rule, and keeps quiet about what is good", () => {
    expect(rejected(testTemplate(leafSpki), byRoot())).toEqual([]);
    expect(rejected(testTemplate(leafSpki, { profile: trafficProfile }), byRoot())).toEqual([]);
    expect(
      rejected(testTemplate(leafSpki, { ...authorityChanges, profile: cross }), byRoot()),
    ).toEqual([]);
    expect(rejected(testTemplate(leafSpki, { isProbe: true }), byRoot())).toEqual([]);
  });

  test("lists every broken rule in one line when there are several", () => {
    const template = testTemplate(leafSpki, {
      serial: Uint8Array.of(1),
      subjectAltName: [],
      notAfterMs: testNowMs + 4000 * dayMs,
    });
    expect(() => prepareCertificate(template, byRoot(), nodeCryptoPort)).toThrow(
      expect.objectContaining({
        code: "certificate-rejected",
        message: expect.stringMatching(
          /^the certificate was not signed: serial-number: .*; validity-within-issuer: .*; leaf-names: [^\n]*$/,
        ),
      }),
    );
  });

  test.each<[string, Partial<CertificateTemplate>]>([
    ["serial-number", { serial: new Uint8Array(16) }],
    [
      "serial-number",
      { serial: new Uint8Array(21).fill(0x41).fill(0x17, 3).fill(2, 8).fill(3, 15) },
    ],
    ["serial-number", { serial: new Uint8Array(16).fill(0x11) }],
    ["validity-order", { notBeforeMs: testNowMs, notAfterMs: testNowMs }],
    ["validity-within-issuer", { notAfterMs: testNowMs + 3651 * dayMs }],
    ["leaf-names", { subjectAltName: [] }],
    ["authority-bits", { profile: { ...trafficProfile, keyUsage: ["keyCertSign"] } }],
    ["authority-bits", { profile: { ...trafficProfile, keyUsage: [] } }],
    ["authority-bits", { ...authorityChanges, profile: { ...cross, keyUsage: ["cRLSign"] } }],
    [
      "issuer-may-issue",
      { ...authorityChanges, profile: authorityProfile("cross-certificate", 1) },
    ],
    [
      "issuer-may-issue",
      { ...authorityChanges, profile: authorityProfile("cross-certificate", null) },
    ],
    ["subject-present", { ...authorityChanges, subject: parseNameText(""), profile: cross }],
    ["subject-key-id", { subjectKeyId: new Uint8Array(0) }],
    ...[
      [oid.gateway],
      [oid.serverAuth, oid.gateway],
      [oid.clientAuth, oid.nodeManager],
      [oid.serverAuth, oid.clientAuth, oid.adminNodeManager],
    ].map((extendedKeyUsage): [string, Partial<CertificateTemplate>] => [
      "custom-usage",
      { profile: { ...processProfile("nm"), extendedKeyUsage } },
    ]),
  ])("refuses by %s", (rule, changes) => {
    expect(rejected(testTemplate(leafSpki, changes), byRoot())).toEqual([rule]);
  });

  test("refuses by key-strength when a key is short, of an old curve, or has a small exponent", () => {
    const pems = [
      openssl(["genrsa", "1024"]),
      openssl(["genrsa", "-3", "2048"]),
      openssl(["ecparam", "-name", "secp224r1", "-genkey", "-noout"]),
      openssl(["ecparam", "-name", "secp521r1", "-genkey", "-noout"]),
    ];
    for (const pem of pems) {
      const { spki } = keyPairOf(privateKeyFromPem(pem, { what: "the key" }));
      expect(rejected(testTemplate(spki), byRoot())).toEqual(["key-strength"]);
    }
  });

  test("refuses by issuer-may-issue when the issuer is a leaf or may sign leaves only", () => {
    const byLeaf: Issuer = { kind: "authority", certificate: testCertificate(root, leafSpki) };
    expect(rejected(testTemplate(leafSpki), byLeaf)).toEqual(["issuer-may-issue"]);
    const bySub: Issuer = { kind: "authority", certificate: subordinate.certificate };
    expect(rejected(testTemplate(leafSpki), bySub)).toEqual([]);
    const below = testTemplate(leafSpki, { ...authorityChanges, profile: cross });
    expect(rejected(below, bySub)).toEqual(["issuer-may-issue"]);
  });

  test("refuses by new-root-subject when an earlier root has the name, in any spelling", () => {
    const template = testTemplate(leafSpki, {
      profile: authorityProfile("root", 0),
      subject: parseNameText("CN=domain"),
      subjectAltName: [],
    });
    const earlierRoots = [subordinate.certificate, root.certificate];
    expect(rejected(template, { kind: "self", earlierRoots })).toEqual(["new-root-subject"]);
    const renamed = { ...template, subject: parseNameText("CN=Domain 2") };
    expect(rejected(renamed, { kind: "self", earlierRoots })).toEqual([]);
  });

  test("gives a ticket that works exactly once, and no copy of it works", () => {
    const ticket = prepareCertificate(testTemplate(leafSpki), byRoot(), nodeCryptoPort);
    const signature = new Uint8Array(64);
    expect(() => completeCertificate({ ...ticket }, signature)).toThrow(/used once/);
    completeCertificate(ticket, signature);
    expect(() => completeCertificate(ticket, signature)).toThrow(/used once/);
  });

  test("costs less than 100 microseconds, so that signing is what an issuance costs", () => {
    const template = testTemplate(leafSpki);
    const issuer = byRoot();
    const work = (): void => {
      for (let i = 0; i < 500; i++) prepareCertificate(template, issuer, nodeCryptoPort);
    };
    work();
    const microseconds = Array.from({ length: 5 }, () => {
      const start = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 500;
    });
    expect(Math.min(...microseconds)).toBeLessThan(100);
  });
});

describe("brokenRules", () => {
  test("finds nothing in a good certificate", () => expect(brokenRules(leaf)).toEqual([]));

  test("finds what our own builder cannot make", () => {
    const { certificate } = leaf;
    const { extensions } = certificate;
    const other = Uint8Array.of(1, 2, 3);
    const withKeyId = (keyId: Uint8Array | null, hasIssuerAndSerial = false): LintInput => ({
      ...leaf,
      certificate: {
        ...certificate,
        extensions: { ...extensions, authorityKeyId: { keyId, hasIssuerAndSerial } },
      },
    });
    const keyId = extensions.authorityKeyId?.keyId ?? null;
    const basicConstraints = { isAuthority: false, pathLength: 1 };
    const withLength = { ...certificate, extensions: { ...extensions, basicConstraints } };
    const cases: [string, LintInput][] = [
      ["authority-bits", { ...leaf, certificate: withLength }],
      ["authority-key-id", withKeyId(other)],
      ["authority-key-id", withKeyId(null)],
      ["authority-key-id", withKeyId(keyId, true)],
      [
        "signature-algorithm",
        { ...leaf, certificate: { ...certificate, signatureAlgorithm: null } },
      ],
      [
        "signature-algorithm",
        { ...leaf, certificate: { ...certificate, signatureAlgorithm: "ed25519" } },
      ],
    ];
    for (const [rule, input] of cases)
      expect(brokenRules(input).map((each) => each.rule)).toEqual([rule]);
  });

  test("finds a date that openssl wrote as GeneralizedTime before 2050", () => {
    const utcTime = Buffer.from("170d", "hex");
    const tbs = Buffer.from(leaf.certificate.tbs);
    const at = tbs.indexOf(utcTime);
    const generalized = Buffer.concat([
      tbs.subarray(0, at),
      Buffer.from("180f3230", "hex"),
      tbs.subarray(at + 2),
    ]);
    // The TBSCertificate and its validity have become two bytes longer.
    generalized.writeUInt16BE(tbs.readUInt16BE(2) + 2, 2);
    generalized[at - 1] = (tbs[at - 1] as number) + 2;
    const certificate = { ...leaf.certificate, tbs: generalized };
    expect(brokenRules({ ...leaf, certificate })).toMatchObject([{ rule: "time-encoding" }]);
  });

  test("has a source and a name of its own for every rule", () => {
    expect(new Set(lints.map(({ rule }) => rule)).size).toBe(lints.length);
    expect(lints.filter(({ source }) => source === "")).toEqual([]);
  });
});
