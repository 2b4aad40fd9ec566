import { beforeAll, describe, expect, test } from "vitest";
import {
  dayMs,
  testCertificate,
  testNowMs,
  testRequest,
  testRoot,
} from "../../test/support/certificates.ts";
import type { TestAuthority } from "../../test/support/certificates.ts";
import { generateKeyPair, nodeCryptoPort } from "../keys/index.ts";
import type { KeyPair } from "../keys/index.ts";
import type { Certificate } from "./certificate.ts";
import type { CertificateTemplate } from "./certificate-build.ts";
import { differencesFromRequest } from "./certificate-differences.ts";
import type { CertificateDifference } from "./certificate-differences.ts";
import { issuanceDifferences } from "./issued-certificate.ts";
import type { IssuedCertificate } from "./issued-certificate.ts";
import { nameOf } from "./name.ts";
import { parseNameText } from "./name-text.ts";
import { oid } from "./oid.ts";
import { authorityProfile, processProfile, trafficProfile } from "./profiles.ts";
import type { CertificateRequest } from "./request.ts";

let root: TestAuthority;
let keys: KeyPair;
let request: CertificateRequest;

beforeAll(async () => {
  root = await testRoot();
  keys = await generateKeyPair("ecdsa-p256");
  request = testRequest(keys);
});

/** What differs when the root signs the request with these changes. */
function differences(changes: Partial<CertificateTemplate>): CertificateDifference[] {
  return differencesFromRequest(request, testCertificate(root, keys.spki, changes), nodeCryptoPort);
}

/** The profile of a Node Manager with other usages. */
function withUsages(
  changes: Partial<ReturnType<typeof processProfile>>,
): Partial<CertificateTemplate> {
  return { profile: { ...processProfile("nm"), ...changes } };
}

describe("differencesFromRequest", () => {
  test("is empty when the certificate says what the request asks for", () => {
    expect(differences({})).toEqual([]);
  });

  test("is empty when only the encoding of the subject or the case of a host name differs", () => {
    const printable = (text: string): Uint8Array =>
      Uint8Array.of(0x13, text.length, ...Buffer.from(text));
    const rdns = request.subject.rdns.map((rdn) =>
      rdn.map((each) =>
        each.type === "2.5.4.3" ? { ...each, raw: printable("nodemanager-1") } : each,
      ),
    );
    const names = [
      { type: "uri", value: "spiffe://domain.example/nm/host-1" },
      { type: "dns", value: "HOST-1" },
      { type: "ip", value: "127.0.0.1" },
    ] as const;
    expect(differences({ subject: nameOf(rdns), subjectAltName: names })).toEqual([]);
  });

  test("names both keys when the key is another", async () => {
    const other = await generateKeyPair("rsa-2048");
    const certificate = testCertificate(root, other.spki);
    const [difference, ...more] = differencesFromRequest(request, certificate, nodeCryptoPort);
    expect(more).toEqual([]);
    expect(difference?.field).toBe("public key");
    expect(difference?.wanted).toMatch(/^EC P-256, SHA-256 [0-9a-f]{32}$/);
    expect(difference?.got).toMatch(/^RSA 2048, SHA-256 [0-9a-f]{32}$/);
  });

  test.each([
    ["order of the subject", "DC=host-1,OU=group-1,CN=nodemanager-1"],
    ["subject", "CN=nodemanager-2,OU=group-1,DC=host-1"],
    ["subject", "CN=nodemanager-1,OU=group-1"],
    ["subject", "OU=group-1+CN=nodemanager-1,DC=host-1"],
  ])("tells %s when it is %s", (field, subject) => {
    const wanted = "CN=nodemanager-1,OU=group-1,DC=host-1";
    expect(differences({ subject: parseNameText(subject) })).toEqual([
      { field, wanted, got: subject },
    ]);
  });

  test("says nothing of a subject when it is empty", () => {
    expect(differences({ subject: nameOf([]) })).toMatchObject([
      { field: "subject", got: "nothing" },
    ]);
  });

  test("names every alternative name that is missing and every one that was not asked for", () => {
    const field = "subject alternative name";
    const subjectAltName = [
      { type: "uri", value: "spiffe://domain.example/nm/host-1" },
      { type: "dns", value: "other.example" },
    ] as const;
    expect(differences({ subjectAltName })).toEqual([
      { field, wanted: "DNS:host-1", got: "nothing" },
      { field, wanted: "IP:127.0.0.1", got: "nothing" },
      { field, wanted: "nothing", got: "DNS:other.example" },
    ]);
  });

  test("names the usages, ours by their names, when some were dropped, added or all left out", () => {
    const wanted = "NODE_MANAGER, clientAuth, serverAuth";
    const field = "extended key usage";
    const [tls, custom] = [[oid.serverAuth, oid.clientAuth], "1.2.3.4"];
    expect(differences(withUsages({ extendedKeyUsage: tls }))).toEqual([
      { field, wanted, got: "clientAuth, serverAuth" },
    ]);
    expect(differences(withUsages({ extendedKeyUsage: [] }))).toEqual([
      { field, wanted, got: "nothing" },
    ]);
    const added = [...tls, oid.nodeManager, oid.adminNodeManager, oid.gateway, custom];
    expect(differences(withUsages({ extendedKeyUsage: added }))[0]?.got).toBe(
      "1.2.3.4, ADMIN_NODE_MANAGER, GATEWAY, NODE_MANAGER, clientAuth, serverAuth",
    );
    expect(differences(withUsages({ keyUsage: ["digitalSignature", "keyEncipherment"] }))).toEqual([
      { field: "key usage", wanted: "digitalSignature", got: "digitalSignature, keyEncipherment" },
    ]);
  });

  test("tells that it is an authority when the request asks for a leaf", () => {
    const found = differences({
      profile: authorityProfile("cross-certificate", 0),
      subjectAltName: [],
    });
    expect(found).toContainEqual({
      field: "basic constraints",
      wanted: "CA:FALSE",
      got: "CA:TRUE",
    });
  });
});

describe("issuanceDifferences", () => {
  const check = (
    certificate: Certificate,
    changes: Partial<IssuedCertificate> = {},
  ): CertificateDifference[] =>
    issuanceDifferences(
      {
        certificate,
        intermediates: [],
        anchors: [root.certificate],
        atMs: testNowMs,
        lifetimeSecondsMin: 86_400,
        ...changes,
      },
      nodeCryptoPort,
    );

  test("is empty when dates and chain are good, through an intermediate authority too", async () => {
    expect(check(testCertificate(root, keys.spki))).toEqual([]);
    const below = await generateKeyPair("ecdsa-p256");
    const intermediate = testCertificate(root, below.spki, {
      profile: authorityProfile("cross-certificate", 0),
      subject: parseNameText("CN=Issuing"),
      subjectAltName: [],
    });
    const leaf = testCertificate({ keys: below, certificate: intermediate }, keys.spki);
    expect(check(leaf, { intermediates: [intermediate] })).toEqual([]);
    expect(check(leaf)).toMatchObject([{ field: "chain", wanted: "a chain to CN=Domain" }]);
    expect(check(leaf)[0]?.got).toMatch(/its issuer CN=Issuing is not trusted and was not sent/);
  });

  test.each([
    [{ notAfterMs: testNowMs - 5000 }, /^valid at 2026/, /^expired at 2026/],
    [{ notBeforeMs: testNowMs + 5000 }, /^valid at 2026/, /^valid from 2026.* only$/],
    [{ notAfterMs: testNowMs + dayMs / 2 }, /^valid at least until/, /^valid until/],
  ])("tells the dates alone when they are wrong: %o", (changes, wanted, got) => {
    const found = check(testCertificate(root, keys.spki, changes));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      field: "validity",
      wanted: expect.stringMatching(wanted),
      got: expect.stringMatching(got),
    });
  });

  test("tells that a namesake with another key is the issuer when the chain is a wrong one", async () => {
    const stranger = await testRoot();
    const found = check(testCertificate(stranger, keys.spki));
    expect(found.map(({ field }) => field)).toEqual(["chain"]);
    expect(found[0]?.got).toMatch(/authority of that name is known, but it has another key/);
  });

  test("says nothing of the chain when only the usages of the leaf are wrong", () => {
    const usages = { ...trafficProfile, extendedKeyUsage: [oid.clientAuth] };
    expect(check(testCertificate(root, keys.spki, { profile: usages }))).toEqual([]);
  });
});
