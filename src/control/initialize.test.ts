import { describe, expect, test } from "vitest";
import { nodeCryptoPort, verifyEnvelope } from "../keys/index.ts";
import {
  certificateFingerprint,
  formatName,
  parseCertificate,
  parseCertificatesPem,
} from "../pki/index.ts";
import type { TrustDocument } from "../domain/index.ts";
import type { AuthorityId } from "../kit/index.ts";
import {
  issueFor,
  newRequest,
  testControlDomain,
  testEnvironment,
} from "../../test/support/control-environment.ts";
import { initializeDomain, type InitializeRequest } from "./initialize.ts";
import { makeAuthority, onlyCertificate } from "./make-authority.ts";

const request: InitializeRequest = {
  domainId: "domain.example",
  domainName: "CN=Domain",
  hostName: "alpha",
  address: "alpha.example",
  nodeManagerName: "first",
  port: 8090,
  administrator: { name: "admin", password: "secret" },
};

describe("initializeDomain", () => {
  test.each(["sha256", "sha384", "sha512"] as const)(
    "makes a CA that signs itself and all that it issues with %s",
    async (digest) => {
      const env = await testEnvironment();
      const host = await initializeDomain(env, { ...request, digest });
      const { pem } = await newRequest();
      const { der } = await issueFor(env, host.id, "nodemanager-1/management", pem);
      const authority = await env.store.read((view) => view.authorities.current("management"));
      for (const certificate of [parseCertificate(der), onlyCertificate(authority.certificatePem)])
        expect(certificate.signatureAlgorithm).toBe(`ecdsa-${digest}`);
      const next = await makeAuthority(env, {
        id: "management-2" as AuthorityId,
        usage: "management",
        subject: "CN=Domain 2",
        predecessor: authority,
        earlier: [],
        holders: [host],
      });
      expect(next.root.signatureAlgorithm).toBe(`ecdsa-${digest}`);
    },
  );

  test("makes both authorities current, the first host, its credential, and trust epoch 1", async () => {
    const env = await testEnvironment();
    const host = await initializeDomain(env, request);
    expect(host).toMatchObject({
      id: "host-1",
      nodeManager: { id: "nodemanager-1", isAdmin: true },
    });
    await env.store.read(async (view) => {
      expect(
        (await view.authorities.all()).map((a) => [a.id, a.status, a.subject, a.predecessor]),
      ).toEqual([
        ["traffic-1", "current", "CN=Traffic CA 1,OU=domain.example", null],
        ["management-1", "current", "CN=Domain", null],
      ]);
      expect(await view.credentials.all()).toMatchObject([
        { id: "nodemanager-1/management", lastSequence: 0, recorded: [] },
      ]);
      const head = await view.trust.head();
      expect(head?.epoch).toBe(1);
      const payload = verifyEnvelope("trust", head?.envelope as never, env.trustKey.spki);
      const document = JSON.parse(Buffer.from(payload).toString("utf8")) as TrustDocument;
      expect(document).toMatchObject({ epoch: 1, previous: null, denied: [] });
      expect(document.anchors.map(({ authorityId }) => authorityId)).toEqual([
        "management-1",
        "traffic-1",
      ]);
      expect((await view.audit.page({}, 9)).map(({ action }) => action)).toEqual([
        "domain.initialize",
      ]);
    });
  });

  test("logs both roots as issued, with the fingerprints that people compare", async () => {
    const env = await testEnvironment();
    await initializeDomain(env, request);
    const { authorities, issued } = await env.store.read(async (view) => ({
      authorities: await view.authorities.all(),
      issued: (await view.issuances.page({}, 9)).map(({ issuance }) => issuance),
    }));
    expect(issued.map(({ kind }) => kind)).toEqual(["root", "root"]);
    for (const authority of authorities) {
      const [root] = parseCertificatesPem(authority.certificatePem);
      if (root === undefined) throw new Error("there is no root");
      expect(authority.fingerprint).toBe(certificateFingerprint(root, nodeCryptoPort));
      expect(issued.map(({ fingerprint }) => fingerprint)).toContain(authority.fingerprint);
      expect(authority.subject).toBe(formatName(root.subject));
    }
  });

  test("keeps no password", async () => {
    const env = await testEnvironment();
    await initializeDomain(env, request);
    const user = await env.store.read((view) => view.accounts.user("admin"));
    expect(user).toMatchObject({ role: "administrator", passwordHash: "hash of secret" });
  });

  test("refuses a store that holds a domain already", async () => {
    const env = await testEnvironment();
    await testControlDomain(env);
    await expect(initializeDomain(env, request)).rejects.toMatchObject({ code: "home-exists" });
  });

  test.each<[string, Partial<InitializeRequest>]>([
    ["a bad host name", { hostName: "" }],
    ["a bad address", { address: "a b" }],
    ["a bad Node Manager name", { nodeManagerName: "a/b" }],
    ["a bad administrator", { administrator: { name: " ", password: "x" } }],
  ])("refuses %s before anything is made", async (_, changes) => {
    const env = await testEnvironment();
    await expect(initializeDomain(env, { ...request, ...changes })).rejects.toMatchObject({
      code: "invalid-name",
    });
    expect(await env.store.read((view) => view.authorities.all())).toEqual([]);
  });
});
