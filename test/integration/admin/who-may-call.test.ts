import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  generateKeyPair,
  keyPairOf,
  privateKeyToPem,
  readCurrent,
  type KeyPair,
} from "../../../src/keys/index.ts";
import { isDomainError } from "../../../src/kit/index.ts";
import {
  encodePem,
  parseCertificatesPem,
  processProfile,
  type CertificateTemplate,
} from "../../../src/pki/index.ts";
import {
  ApiCaller,
  apiPrefix,
  callApi,
  mutualTls,
  type Identity,
} from "../../../src/transport/index.ts";
import { homeLayout } from "../../../src/domain/index.ts";
import { joinDomain } from "../../../src/node/local.ts";
import { freePort } from "../../support/free-port.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { startAdmin, type AdminProcess } from "../../support/admin-process.ts";
import { testCertificate, testRoot, type TestAuthority } from "../../support/certificates.ts";

const dayMs = 86_400_000;

/** The domain's own CA, key and all: what a shared CA could sign for a stranger. */
async function domainAuthority({ layout }: AdminProcess): Promise<TestAuthority> {
  const key = createPrivateKey(
    await readFile(layout.authorityKey("management-1" as never), "utf8"),
  );
  const [certificate] = parseCertificatesPem(await readFile(layout.domainCertificate, "utf8"));
  if (certificate === undefined) throw new Error("no CA certificate");
  return { keys: keyPairOf(key), certificate };
}

interface Stranger {
  readonly uri?: string;
  readonly template?: Partial<CertificateTemplate>;
  readonly authority?: TestAuthority;
  readonly keys?: KeyPair;
}

async function identityOf(
  admin: AdminProcess,
  { uri, template, authority, keys }: Stranger,
): Promise<Identity> {
  const pair = keys ?? (await generateKeyPair("ecdsa-p256"));
  const now = Math.floor(Date.now() / 1000) * 1000;
  const certificate = testCertificate(authority ?? (await domainAuthority(admin)), pair.spki, {
    notBeforeMs: now - 60_000,
    notAfterMs: now + dayMs,
    profile: processProfile("anm"),
    subjectAltName: [
      { type: "uri", value: uri ?? `spiffe://${admin.trust.document.domain}/anm/host-1` },
    ],
    ...template,
  });
  return {
    keyPem: privateKeyToPem(pair.privateKey),
    certificatePem: encodePem("CERTIFICATE", certificate.der),
    authorityId: "management-1",
    serial: certificate.serialHex,
  };
}

/** The refusal of an agent's call with this identity, or `admitted`. */
async function refusalOf(
  admin: AdminProcess,
  identity: Identity,
  role: "anm" | "nm" = "anm",
): Promise<string> {
  const [target] = admin.trust.document.admins;
  if (target === undefined) throw new Error("no Admin Node Manager is known");
  const tls = mutualTls({
    identity,
    trust: admin.trust,
    self: { role, hostId: "host-1" as never },
    target,
    nowMs: () => Date.now(),
  });
  const caller = new ApiCaller({ address: "127.0.0.1", port: admin.port, prefix: apiPrefix }, tls);
  try {
    await callApi(caller, "getDesiredState", {
      query: { revision: 0, epoch: 0, waitMs: 0, bootId: "boot-of-this-test" },
    });
    return "admitted";
  } catch (error) {
    return isDomainError(error) ? String(error.context["refusal"] ?? error.code) : "broken";
  } finally {
    caller.close();
  }
}

/** Each cell: who shows up, and why it is refused. The domain's own CA signed all but one of them. */
const cells: readonly [string, (admin: AdminProcess) => Promise<Stranger>, string][] = [
  ["the recorded identity with another key", async () => ({}), "other-key"],
  [
    "a gateway of the domain",
    async ({ trust }) => ({
      uri: `spiffe://${trust.document.domain}/gateway/instance-1`,
      template: { profile: processProfile("gateway") },
    }),
    "unknown-process",
  ],
  [
    "a gateway that states the host's identity",
    async () => ({ template: { profile: processProfile("gateway") } }),
    "role-mismatch",
  ],
  [
    "a Node Manager's role where the topology says Admin Node Manager",
    async ({ trust }) => ({
      uri: `spiffe://${trust.document.domain}/nm/host-1`,
      template: { profile: processProfile("nm") },
    }),
    "role-mismatch",
  ],
  [
    "a host that is not in the topology",
    async ({ trust }) => ({
      uri: `spiffe://${trust.document.domain}/nm/host-9`,
      template: { profile: processProfile("nm") },
    }),
    "unknown-process",
  ],
  [
    "another domain's identity under this domain's CA",
    async () => ({ uri: "spiffe://other/anm/host-1" }),
    "other-domain",
  ],
  [
    "another domain's CA of the same name",
    async () => ({ authority: await testRoot({ pathLength: 1 }) }),
    "chain",
  ],
  [
    "an expired certificate",
    async () => ({
      template: {
        notBeforeMs: Date.now() - 2 * dayMs - (Date.now() % 1000),
        notAfterMs: Date.now() - dayMs - (Date.now() % 1000),
      },
    }),
    "chain",
  ],
  ["a probe certificate", async () => ({ template: { isProbe: true } }), "probe"],
  [
    "a certificate without an identity",
    async () => ({ template: { subjectAltName: [{ type: "dns", value: "host-1" }] } }),
    "no-identity",
  ],
];

/** Joins another host and returns what its Node Manager presents. */
async function joinSecondHost(
  admin: AdminProcess,
): Promise<{ identity: Identity; serial: string }> {
  const { token } = await callApi(admin.caller, "createJoinToken", {
    body: { hostName: null, lifetimeSeconds: 60 },
    headers: admin.administrator,
  });
  const home = `${await tempFolder()}/home`;
  const joined = await joinDomain(home, {
    anmHost: "127.0.0.1",
    anmPort: admin.port,
    token,
    hostName: "host-2.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager 2",
    port: await freePort(),
  });
  const generation = await readCurrent(homeLayout(home).nodeCredential);
  if (generation === null || "awaits" in joined) throw new Error("no credential");
  const { serial } = joined;
  return {
    serial,
    identity: {
      keyPem: generation.keyPem,
      certificatePem: generation.certificatePem,
      authorityId: "management-1",
      serial,
    },
  };
}

describe("an Admin Node Manager", () => {
  test("refuses every stranger, each for its own reason", async () => {
    const admin = await startAdmin();
    for (const [who, stranger, refusal] of cells) {
      const identity = await identityOf(admin, await stranger(admin));
      expect.soft([who, await refusalOf(admin, identity)]).toEqual([who, refusal]);
    }
  });

  test("admits a Node Manager with its recorded key, until that is denied", async () => {
    const admin = await startAdmin();
    const { identity, serial } = await joinSecondHost(admin);
    expect(await refusalOf(admin, identity, "nm")).toBe("admitted");
    await callApi(admin.caller, "revoke", {
      body: { serial, reason: "test" },
      headers: admin.administrator,
    });
    expect(await refusalOf(admin, identity, "nm")).toBe("denied");
  });

  test("does not deny its own certificate", async () => {
    const admin = await startAdmin();
    const generation = await readCurrent(admin.layout.nodeCredential);
    const [own] = parseCertificatesPem(generation?.certificatePem ?? "");
    const revoked = callApi(admin.caller, "revoke", {
      body: { serial: own?.serialHex ?? "", reason: "test" },
      headers: admin.administrator,
    });
    await expect(revoked).rejects.toMatchObject({ code: "forbidden" });
  });
});
