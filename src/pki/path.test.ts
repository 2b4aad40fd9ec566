import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  dayMs,
  openssl,
  testCertificate,
  testNowMs,
  testRoot,
} from "../../test/support/certificates.ts";
import type { TestAuthority } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { generateKeyPair, nodeCryptoPort } from "../keys/index.ts";
import { parseCertificate, parseCertificatesPem } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import type { CertificateTemplate } from "./certificate-build.ts";
import { oid } from "./oid.ts";
import { parseNameText } from "./name-text.ts";
import { verifyPath } from "./path.ts";
import type { PathInput, PathResult } from "./path.ts";
import { encodePem } from "./pem.ts";
import { authorityProfile, trafficProfile } from "./profiles.ts";

let oldRoot: TestAuthority;
let newRoot: TestAuthority;
/** The new root's name and key, signed by the old one: for those who trust only the old one. */
let crossOldToNew: Certificate;
let leaf: Certificate;
let leafOfNew: Certificate;
let leafSpki: Uint8Array;

const cross = authorityProfile("cross-certificate", null);

/** An authority below `parent`. */
async function authorityBelow(
  parent: TestAuthority,
  subject: string,
  changes: Partial<CertificateTemplate> = {},
): Promise<TestAuthority> {
  const keys = await generateKeyPair("ecdsa-p256");
  const names = { subject: parseNameText(subject), subjectAltName: [] };
  const certificate = testCertificate(parent, keys.spki, { profile: cross, ...names, ...changes });
  return { keys, certificate };
}

beforeAll(async () => {
  oldRoot = await testRoot();
  newRoot = await testRoot({ subject: "CN=Domain 2" });
  const { spki, subject, extensions } = newRoot.certificate;
  crossOldToNew = testCertificate(oldRoot, spki, {
    profile: cross,
    subject,
    subjectAltName: [],
    subjectKeyId: extensions.subjectKeyId ?? new Uint8Array(),
  });
  leafSpki = (await generateKeyPair("ecdsa-p256")).spki;
  leaf = testCertificate(oldRoot, leafSpki);
  leafOfNew = testCertificate(newRoot, leafSpki);
});

/** The certificate as it would be read with another path length; its signature stays good. */
function withPathLength(certificate: Certificate, pathLength: number | null): Certificate {
  const basicConstraints = { isAuthority: true, pathLength };
  return { ...certificate, extensions: { ...certificate.extensions, basicConstraints } };
}

function verify(input: Partial<PathInput>): PathResult {
  const defaults: PathInput = {
    leaf,
    intermediates: [],
    anchors: [oldRoot.certificate],
    atMs: testNowMs,
    purpose: "clientAuth",
  };
  return verifyPath({ ...defaults, ...input }, nodeCryptoPort);
}

function pathOf(result: PathResult): readonly Certificate[] {
  if (!result.ok) throw new Error(result.failure.message);
  return result.path;
}

/** `rule of subject`, of the failure. */
function failureOf(result: PathResult): string {
  if (result.ok) return "accepted";
  return `${result.failure.rule} of ${result.failure.certificate.replace(/ \(serial [0-9a-f]+\)$/, "")}`;
}

const leafName = "CN=nodemanager-1,OU=group-1,DC=host-1";

describe("verifyPath", () => {
  test("accepts a leaf below a root for both purposes, its host and its role", () => {
    for (const purpose of ["serverAuth", "clientAuth"] as const) {
      const requireUsages = [oid.nodeManager];
      expect(pathOf(verify({ purpose, requireUsages, host: "HOST-1" }))).toEqual([
        leaf,
        oldRoot.certificate,
      ]);
    }
    expect(verify({ host: "127.0.0.1" }).ok).toBe(true);
  });

  test("accepts through cross-certificates when only the old root, only the new, or both are trusted", () => {
    const roots = [oldRoot.certificate, newRoot.certificate];
    const viaOld = verify({ leaf: leafOfNew, intermediates: [crossOldToNew] });
    expect(pathOf(viaOld)).toEqual([leafOfNew, crossOldToNew, oldRoot.certificate]);
    const viaNew = verify({ leaf: leafOfNew, intermediates: [crossOldToNew], anchors: roots });
    expect(pathOf(viaNew)).toEqual([leafOfNew, newRoot.certificate]);
    const newOnly = { leaf: leafOfNew, anchors: [newRoot.certificate] };
    expect(verify({ ...newOnly, intermediates: [crossOldToNew, oldRoot.certificate] }).ok).toBe(
      true,
    );
    expect(verify({ leaf, anchors: roots }).ok).toBe(true);
    expect(failureOf(verify({ leaf: leafOfNew }))).toBe(`issuer-unknown of ${leafName}`);
  });

  test("accepts a leaf of the old root below the new one when the new has cross-signed the old", () => {
    const { spki, subject } = oldRoot.certificate;
    const back = testCertificate(newRoot, spki, { profile: cross, subject, subjectAltName: [] });
    const anchors = [newRoot.certificate];
    expect(pathOf(verify({ intermediates: [crossOldToNew, back], anchors }))).toEqual([
      leaf,
      back,
      newRoot.certificate,
    ]);
  });

  test("goes around a cross-certificate that has expired when another path is good", () => {
    const { spki, subject } = newRoot.certificate;
    const names = { profile: cross, subject, subjectAltName: [] };
    const expired = testCertificate(oldRoot, spki, { ...names, notAfterMs: testNowMs - 1000 });
    const intermediates = [expired, crossOldToNew];
    expect(pathOf(verify({ leaf: leafOfNew, intermediates }))[1]).toBe(crossOldToNew);
    expect(failureOf(verify({ leaf: leafOfNew, intermediates: [expired] }))).toBe(
      "expired of CN=Domain 2",
    );
  });

  test("names certificate and rule when the time is outside a validity, to the second", () => {
    const at = (atMs: number): string => failureOf(verify({ atMs }));
    expect(at(leaf.notAfterMs + 999)).toBe("accepted");
    expect(at(leaf.notAfterMs + 1000)).toBe(`expired of ${leafName}`);
    expect(at(leaf.notBeforeMs)).toBe("accepted");
    expect(at(leaf.notBeforeMs - 1)).toBe("not-yet-valid of CN=Domain");
    expect(at(oldRoot.certificate.notAfterMs + 1000)).toBe("expired of CN=Domain");
  });

  test("names the leaf when its issuer is another authority, of another or of the same name", async () => {
    const anchors = [newRoot.certificate];
    expect(failureOf(verify({ anchors }))).toBe(`issuer-unknown of ${leafName}`);
    const namesake = await testRoot();
    const result = verify({ anchors: [namesake.certificate] });
    expect(result).toMatchObject({
      ok: false,
      failure: {
        rule: "issuer-unknown",
        message: expect.stringContaining("is known, but it has another key"),
      },
    });
  });

  test("names the leaf when its signature or anything that was signed is changed", () => {
    const der = Uint8Array.from(leaf.der);
    der[der.length - 1] = (der[der.length - 1] as number) ^ 1;
    expect(failureOf(verify({ leaf: parseCertificate(der) }))).toBe(`signature of ${leafName}`);
    // The last has the right digest and another kind of key.
    for (const signatureAlgorithm of [null, "ecdsa-sha384", "rsa-sha256"] as const) {
      const changed = { ...leaf, signatureAlgorithm };
      expect(failureOf(verify({ leaf: changed }))).toBe(`signature of ${leafName}`);
    }
  });

  test("names the leaf when its key is weak", () => {
    const rsa = { kind: "rsa", modulusBits: 1024, exponent: 65_537 } as const;
    for (const publicKey of [rsa, { kind: "other", oid: "1.2.3" } as const]) {
      expect(failureOf(verify({ leaf: { ...leaf, publicKey } }))).toBe(`weak-key of ${leafName}`);
    }
  });

  test("names the leaf when usage, role, host or kind are not what is asked for", () => {
    const traffic = testCertificate(oldRoot, leafSpki, { profile: trafficProfile });
    const noSignature = { ...trafficProfile, keyUsage: ["keyEncipherment"] as const };
    const cases: [string, Partial<PathInput>][] = [
      ["extended-key-usage", { leaf: traffic }],
      ["extended-key-usage", { requireUsages: [oid.nodeManager, oid.adminNodeManager] }],
      ["host", { host: "host-2" }],
      ["host", { host: "127.0.0.2" }],
      ["denied", { denied: (certificate) => certificate === leaf }],
      ["probe-certificate", { leaf: testCertificate(oldRoot, leafSpki, { isProbe: true }) }],
      [
        "key-usage",
        {
          leaf: testCertificate(oldRoot, leafSpki, { profile: noSignature }),
          purpose: "serverAuth",
        },
      ],
    ];
    for (const [rule, input] of cases)
      expect(failureOf(verify(input))).toBe(`${rule} of ${leafName}`);
    const probe = testCertificate(oldRoot, leafSpki, { isProbe: true });
    expect(verify({ leaf: probe, allowProbe: true }).ok).toBe(true);
  });

  test("refuses a denied authority, and finds the path that does without it", () => {
    const denied = (certificate: Certificate): boolean => certificate === crossOldToNew;
    const input = { leaf: leafOfNew, intermediates: [crossOldToNew], denied };
    expect(failureOf(verify(input))).toBe("denied of CN=Domain 2");
    const anchors = [oldRoot.certificate, newRoot.certificate];
    expect(verify({ ...input, anchors }).ok).toBe(true);
  });

  test("counts the authorities below each path length, self-issued ones left out", async () => {
    const short = await testRoot({ pathLength: 1 });
    const anchors = [short.certificate];
    const profile = authorityProfile("cross-certificate", 0);
    const first = await authorityBelow(short, "CN=First", { profile });
    const intermediates = [first.certificate];
    expect(verify({ leaf: testCertificate(first, leafSpki), intermediates, anchors }).ok).toBe(
      true,
    );
    // Nothing of ours signs below a path length of 0: the issuer is made to look as if it had more.
    const loose = { ...first, certificate: withPathLength(first.certificate, null) };
    const deeper = await authorityBelow(loose, "CN=Deeper");
    const selfIssued = await authorityBelow(loose, "CN=First");
    const below = (issuer: TestAuthority, firstLength: number): string =>
      failureOf(
        verify({
          leaf: testCertificate(issuer, leafSpki),
          intermediates: [withPathLength(first.certificate, firstLength), issuer.certificate],
          anchors,
        }),
      );
    expect(below(deeper, 0)).toBe("path-length of CN=Deeper");
    expect(below(deeper, 5)).toBe("path-length of CN=Deeper");
    expect(below(selfIssued, 0)).toBe("accepted");
  });
});

describe("verifyPath and openssl verify", () => {
  /** What only openssl signs: an authority's certificate with these extensions, and a leaf below. */
  async function chainWith(
    authorityExtensions: string,
    leafExtensions = "subjectAltName=DNS:a.example,IP:10.0.0.1,URI:spiffe://d.example/nm/a",
  ): Promise<{ ours: string; openssl: boolean }> {
    const folder = await tempFolder();
    const file = (name: string): string => join(folder, name);
    const make = (name: string, subject: string, extensions: string, issuer?: string): string => {
      const signing =
        issuer === undefined ? [] : ["-CA", file(`${issuer}.pem`), "-CAkey", file(`${issuer}.key`)];
      openssl([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
        "-keyout",
        file(`${name}.key`),
        "-out",
        file(`${name}.pem`),
        "-config",
        file("cnf"),
        "-subj",
        subject,
        "-extensions",
        extensions,
        ...signing,
      ]);
      return file(`${name}.pem`);
    };
    const lines = (text: string): string => text.split(";").join("\n");
    await writeFile(
      file("cnf"),
      `[req]\ndistinguished_name=dn\n[dn]\n[root]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n` +
        `[authority]\n${lines(authorityExtensions)}\n[leaf]\n${lines(leafExtensions)}\n[nc]\n` +
        "permitted;DNS.1=example\npermitted;URI.1=.example\nexcluded;IP.1=10.0.0.0/255.0.0.0\n" +
        "[dnsOnly]\npermitted;DNS.1=other.example\n[fine]\npermitted;DNS.1=example\npermitted;URI.1=.example\n" +
        "permitted;IP.1=10.0.0.0/255.255.255.0\nexcluded;DNS.1=b.example\n",
    );
    const pems = [
      make("root", "/CN=Root", "root"),
      make("authority", "/CN=Authority", "authority", "root"),
      make("leaf", "/CN=leaf", "leaf", "authority"),
    ];
    const texts = await Promise.all(pems.map((path) => readFile(path, "utf8")));
    const [root, authority, leafBelow] = texts.flatMap(parseCertificatesPem) as [
      Certificate,
      Certificate,
      Certificate,
    ];
    const atMs = root.notBeforeMs + dayMs;
    const result = verify({
      leaf: leafBelow,
      intermediates: [authority],
      anchors: [root],
      atMs,
      purpose: "serverAuth",
    });
    const [rootPem = "", authorityPem = "", leafPem = ""] = pems;
    const args = [
      "verify",
      "-attime",
      `${atMs / 1000}`,
      "-purpose",
      "sslserver",
      "-CAfile",
      rootPem,
    ];
    try {
      openssl([...args, "-untrusted", authorityPem, leafPem]);
      return { ours: failureOf(result), openssl: true };
    } catch {
      return { ours: failureOf(result), openssl: false };
    }
  }

  const ca = "basicConstraints=critical,CA:true";

  test.each([
    ["an authority", ca, "accepted"],
    ["an authority without key usage", `${ca};keyUsage=keyCertSign`, "accepted"],
    ["an authority for servers", `${ca};extendedKeyUsage=serverAuth`, "accepted"],
    ["no authority", "basicConstraints=critical,CA:false", "not-an-authority of CN=Authority"],
    ["no keyCertSign", `${ca};keyUsage=digitalSignature`, "key-usage of CN=Authority"],
    [
      "an authority for clients",
      `${ca};extendedKeyUsage=clientAuth`,
      "extended-key-usage of CN=Authority",
    ],
    [
      "an unknown critical extension",
      `${ca};1.2.3.4=critical,DER:0500`,
      "critical-extension of CN=Authority",
    ],
    ["an unknown extension", `${ca};1.2.3.4=DER:0500`, "accepted"],
    ["an excluded address", `${ca};nameConstraints=critical,@nc`, "name-constraints of CN=leaf"],
    [
      "a name that is not permitted",
      `${ca};nameConstraints=@dnsOnly`,
      "name-constraints of CN=leaf",
    ],
    ["all names permitted", `${ca};nameConstraints=critical,@fine`, "accepted"],
  ])("judge alike when the issuer has or is %s", async (_, extensions, expected) => {
    expect(await chainWith(extensions)).toEqual({
      ours: expected,
      openssl: expected === "accepted",
    });
  });

  test("judge alike when the leaf has an unknown critical extension", async () => {
    const verdict = await chainWith(ca, "subjectAltName=DNS:a.example;1.2.3.4=critical,DER:0500");
    expect(verdict).toEqual({ ours: "critical-extension of CN=leaf", openssl: false });
  });

  test("judge alike when a cross-certificate leads to the old root", async () => {
    const folder = await tempFolder();
    const write = async (name: string, certificate: Certificate): Promise<string> => {
      await writeFile(join(folder, name), encodePem("CERTIFICATE", certificate.der));
      return join(folder, name);
    };
    const trusted = await write("old.pem", oldRoot.certificate);
    const untrusted = await write("cross.pem", crossOldToNew);
    const path = await write("leaf.pem", leafOfNew);
    const args = ["verify", "-x509_strict", "-attime", `${testNowMs / 1000}`, "-CAfile", trusted];
    expect(openssl([...args, "-untrusted", untrusted, path])).toContain("OK");
    expect(verify({ leaf: leafOfNew, intermediates: [crossOldToNew] }).ok).toBe(true);
  });
});

describe("the search", () => {
  test("ends with a failure when many authorities of one name sign each other", async () => {
    const authorities = await Promise.all(
      Array.from({ length: 6 }, (_, i) => testRoot({ subject: `CN=Hostile ${i}` })),
    );
    const all = authorities.flatMap((issuer) =>
      authorities
        .filter((each) => each !== issuer)
        .map(({ certificate: { spki, subject } }) =>
          testCertificate(issuer, spki, { profile: cross, subject, subjectAltName: [] }),
        ),
    );
    let verifications = 0;
    const counting = {
      verify: (...args: Parameters<typeof nodeCryptoPort.verify>): boolean => {
        verifications++;
        return nodeCryptoPort.verify(...args);
      },
    };
    const hostile = testCertificate(authorities[0] as TestAuthority, leafSpki);
    const input = {
      leaf: hostile,
      intermediates: all,
      anchors: [oldRoot.certificate],
      atMs: testNowMs,
    };
    const result = verifyPath({ ...input, purpose: "clientAuth" }, counting);
    expect(result.ok).toBe(false);
    expect(verifications).toBeLessThanOrEqual(200);
  });

  test("does not go in a circle when two untrusted authorities have signed each other", () => {
    const { spki, subject } = oldRoot.certificate;
    const back = testCertificate(newRoot, spki, { profile: cross, subject, subjectAltName: [] });
    let verifications = 0;
    const counting = {
      verify: (...args: Parameters<typeof nodeCryptoPort.verify>): boolean => {
        verifications++;
        return nodeCryptoPort.verify(...args);
      },
    };
    const input = { leaf, intermediates: [crossOldToNew, back], anchors: [], atMs: testNowMs };
    const result = verifyPath({ ...input, purpose: "clientAuth" }, counting);
    expect(failureOf(result)).toBe("issuer-unknown of CN=Domain 2");
    expect(verifications).toBe(2);
  });

  test("follows seven authorities and no more", async () => {
    const chain = [await testRoot()];
    for (let i = 1; i <= 7; i++)
      chain.push(await authorityBelow(chain[i - 1] as TestAuthority, `CN=${i}`));
    const certificates = chain.map(({ certificate }) => certificate);
    const [anchor] = certificates as [Certificate];
    const below = (count: number): PathResult =>
      verify({
        leaf: testCertificate(chain[count] as TestAuthority, leafSpki),
        intermediates: certificates.slice(1),
        anchors: [anchor],
      });
    expect(pathOf(below(6))).toHaveLength(8);
    expect(failureOf(below(7))).toBe("search-limit of CN=1");
  });
});
