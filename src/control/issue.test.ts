import { describe, expect, test } from "vitest";
import type { CredentialId, GroupId, HostId } from "../kit/index.ts";
import { wantNewer, type Credential, type HostDocument } from "../domain/index.ts";
import { nodeCryptoPort, verifyEnvelope } from "../keys/index.ts";
import {
  formatName,
  isProbeCertificate,
  parseCertificate,
  parseCertificatesPem,
  verifyPath,
} from "../pki/index.ts";
import {
  issueFor,
  newRequest,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { dayMs } from "../../test/support/certificates.ts";
import { configureGroup, createInstance } from "./instances.ts";
import { issueCredential, issueProbe, renewalDeadline } from "./issue.ts";
import { currentTrust } from "./publish-trust.ts";

const host1 = "host-1" as HostId;
const own = "nodemanager-1/management" as CredentialId;

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  return env;
}

async function withInstance(): Promise<TestEnvironment> {
  const env = await domain();
  const configuration = { routes: [], dnsNames: ["api.example", "10.1.2.3.example"] };
  await createInstance(env, {
    name: "one",
    group: "edge",
    hostId: host1,
    configuration,
    actor: testActor,
  });
  return env;
}

function credential(env: TestEnvironment, id: string): Promise<Credential | undefined> {
  return env.store.read((view) => view.credentials.get(id as CredentialId));
}

describe("issueCredential", () => {
  test("issues for the requested key, under the current authority, in the names of the topology", async () => {
    const env = await withInstance();
    const { pem, spki } = await newRequest();
    const issued = await issueFor(env, host1, "instance-1/management", pem);
    const leaf = parseCertificate(issued.der);
    const [root] = parseCertificatesPem(
      (await env.store.read((view) => view.authorities.current("management"))).certificatePem,
    );
    const path = verifyPath(
      {
        leaf,
        intermediates: [],
        anchors: root ? [root] : [],
        atMs: env.clock.nowMs(),
        purpose: "clientAuth",
      },
      nodeCryptoPort,
    );
    expect(path.ok).toBe(true);
    expect(formatName(leaf.subject)).toBe("CN=instance-1,OU=group-2,DC=host-1");
    expect(leaf.extensions.subjectAltName).toEqual([
      { type: "uri", value: "spiffe://domain.example/gateway/instance-1" },
      { type: "dns", value: "localhost" },
      { type: "ip", value: "127.0.0.1" },
    ]);
    expect(issued.serial).toBe(leaf.serialHex);
    expect((await credential(env, "instance-1/management"))?.recorded).toMatchObject([
      { spki, serial: leaf.serialHex, sequence: 1, authorityId: "management-1", confirmed: false },
    ]);
  });

  test("gives a traffic credential the group's DNS names and the host's address, and no identity", async () => {
    const env = await withInstance();
    const { der } = await issueFor(env, host1, "instance-1/traffic");
    const leaf = parseCertificate(der);
    expect(formatName(leaf.subject)).toBe("CN=api.example");
    expect(leaf.extensions.subjectAltName).toEqual([
      { type: "dns", value: "api.example" },
      { type: "dns", value: "10.1.2.3.example" },
      { type: "dns", value: "alpha.example" },
    ]);
  });

  test("takes no DNS name that is longer than a common name may be as one", async () => {
    const env = await withInstance();
    const long = `${"a".repeat(40)}.${"b".repeat(40)}.example`;
    for (const [dnsNames, common] of [
      [[long, "api.example"], "api.example"],
      [[long], "alpha.example"],
    ] as const) {
      const configuration = { routes: [], dnsNames };
      await configureGroup(env, { id: "group-2" as GroupId, configuration, actor: testActor });
      const { der } = await issueFor(env, host1, "instance-1/traffic");
      const { subject, extensions } = parseCertificate(der);
      expect(formatName(subject)).toBe(`CN=${common}`);
      expect(extensions.subjectAltName?.[0]).toEqual({ type: "dns", value: long });
    }
  });

  test("makes the issuance durable with its audit record and the host document in one transaction", async () => {
    const env = await domain();
    const before = await env.store.read((view) => view.topology.host(host1));
    const issued = await issueFor(env, host1, own);
    await env.store.read(async (view) => {
      const [newest] = await view.issuances.ofCredential(own, 1);
      expect(newest).toMatchObject({ serial: issued.serial, kind: "leaf", sequence: 2 });
      expect((await view.audit.page({}, 100)).at(-1)).toMatchObject({
        actor: "host:host-1",
        action: "certificate.issue",
        subject: own,
        detail: { serial: issued.serial, authority: "management-1" },
      });
      expect((await view.topology.host(host1))?.documentVersion).toBeGreaterThan(
        before?.documentVersion ?? 0,
      );
    });
    const document = openHost(env, issued.hostDocument);
    expect(document.processes[0]?.keys).toHaveLength(2);
  });

  test("names an Admin Node Manager's new key in the next trust link", async () => {
    const env = await domain();
    const before = await env.store.read(currentTrust);
    const { pem, spki } = await newRequest();
    await issueFor(env, host1, own, pem);
    const after = await env.store.read(currentTrust);
    expect(after.epoch).toBe(before.epoch + 1);
    expect(after.admins[0]?.keys).toContain(spki);
  });

  test("does not raise the feed for a renewal of an instance", async () => {
    const env = await withInstance();
    await issueFor(env, host1, "instance-1/management");
    const before = await env.store.revision();
    await issueFor(env, host1, "instance-1/management");
    expect(await env.store.revision()).toBe(before);
  });

  test("keeps the key of the presented certificate recorded, however many answers get lost", async () => {
    const env = await withInstance();
    const { serial } = await issueFor(env, host1, "instance-1/management");
    for (let lost = 0; lost < 6; lost++)
      await issueFor(env, host1, "instance-1/management", undefined, serial);
    const recorded = (await credential(env, "instance-1/management"))?.recorded;
    expect(recorded?.map(({ sequence }) => sequence)).toEqual([1, 5, 6, 7]);
  });

  test("gives validity and renewal slot by the policy, and never outlives the issuer", async () => {
    const env = await testEnvironment({
      policy: { leafLifetimeSeconds: 30 * 86_400, authorityLifetimeSeconds: 40 * 86_400 },
    });
    const { issued } = await testControlDomain(env);
    const nowMs = env.clock.nowMs();
    expect(issued).toMatchObject({
      notBeforeMs: nowMs - 3_600_000,
      notAfterMs: nowMs + 30 * dayMs,
      renewFromMs: nowMs + 10 * dayMs,
      renewUntilMs: nowMs + 12.5 * dayMs,
    });
    env.clock.advance(20 * dayMs);
    const root = await env.store.read((view) => view.authorities.current("management"));
    expect((await issueFor(env, host1, own)).notAfterMs).toBe(root.notAfterMs);
  });

  test("refuses the credential of another host, and one that does not exist", async () => {
    const env = await withInstance();
    for (const [hostId, id] of [
      ["host-2", "instance-1/management"],
      ["host-1", "instance-9/management"],
    ] as const)
      await expect(issueFor(env, hostId as HostId, id)).rejects.toMatchObject({
        code: "forbidden",
      });
    expect(await env.store.read((view) => view.issuances.ofCredential(own, 9))).toHaveLength(1);
  });

  test("refuses with a conflict, and records nothing, when the authority changes while it signs", async () => {
    const env = await domain();
    const { authorityKeys } = env;
    const racing = {
      ...env,
      authorityKeys: {
        create: authorityKeys.create.bind(authorityKeys),
        sign: authorityKeys.sign.bind(authorityKeys),
        requireUsable: authorityKeys.requireUsable.bind(authorityKeys),
        seal: authorityKeys.seal.bind(authorityKeys),
        async issueLeaf(job: Parameters<typeof authorityKeys.issueLeaf>[0]) {
          await replaceCurrent(env);
          return authorityKeys.issueLeaf(job);
        },
      },
    };
    const requestPem = (await newRequest()).pem;
    const request = {
      hostId: host1,
      credentialId: own,
      requestPem,
      presentedSerial: null,
      actor: "host:host-1",
    };
    await expect(issueCredential(racing, request)).rejects.toMatchObject({ code: "conflict" });
    expect((await credential(env, own))?.lastSequence).toBe(1);
  });

  test("answers with the same certificate when the same is asked again, also at the same time", async () => {
    const env = await domain();
    const { pem } = await newRequest();
    const [first, second] = await Promise.all([
      issueFor(env, host1, own, pem),
      issueFor(env, host1, own, pem),
    ]);
    const third = await issueFor(env, host1, own, pem);
    expect([second.serial, third.serial]).toEqual([first.serial, first.serial]);
    expect(third).toEqual(first);
    expect((await credential(env, own))?.lastSequence).toBe(first.sequence);
    expect((await issueFor(env, host1, own)).serial).not.toBe(first.serial);
  });

  test("renews under the authority the credential belongs to while that one is previous, not after", async () => {
    const env = await domain();
    await setStatus(env, "previous");
    expect((await issueFor(env, host1, own)).authorityId).toBe("management-1");
    await setStatus(env, "retired");
    await expect(issueFor(env, host1, own)).rejects.toMatchObject({
      code: "authority-unavailable",
    });
  });

  test("after a rollback wants the new one, and never again what the rollback turned away from", async () => {
    const env = await domain();
    const before = await credential(env, own);
    if (before === undefined) throw new Error("there is no credential");
    const turnedAway = await issueFor(env, host1, own);
    expect(turnedAway.sequence).toBe(2);
    const desired = { ...before.desired, maxSequence: 1 };
    const put = { ...((await credential(env, own)) ?? before), desired };
    await write(env, (tx) => tx.credentials.put(put));
    const issued = await issueFor(env, host1, own);
    expect(issued.sequence).toBe(3);
    expect((await credential(env, own))?.desired).toEqual({
      ...before.desired,
      minSequence: 3,
      maxSequence: null,
    });
  });
});

describe("issueProbe", () => {
  const probe = async (env: TestEnvironment, authorityId: string, hostId = host1) =>
    issueProbe(env, {
      hostId,
      credentialId: own,
      authorityId: authorityId as never,
      requestPem: (await newRequest()).pem,
    });

  test("issues a short-lived, marked certificate with the real names, and records no key", async () => {
    const env = await domain();
    await setStatus(env, "next");
    const { der } = await probe(env, "management-1");
    const leaf = parseCertificate(der);
    expect(isProbeCertificate(leaf)).toBe(true);
    expect(leaf.notAfterMs).toBe(env.clock.nowMs() + 600_000);
    expect(formatName(leaf.subject)).toBe("CN=nodemanager-1,OU=group-1,DC=host-1");
    expect(await credential(env, own)).toMatchObject({ lastSequence: 1, recorded: [{}] });
    const [newest] = await env.store.read((view) => view.issuances.ofCredential(own, 1));
    expect(newest).toMatchObject({ kind: "probe", serial: leaf.serialHex, sequence: null });
  });

  test.each(["retired", "abandoned"] as const)(
    "refuses an authority that is %s",
    async (status) => {
      const env = await domain();
      await setStatus(env, status);
      await expect(probe(env, "management-1")).rejects.toMatchObject({
        code: "authority-unavailable",
      });
    },
  );

  test("refuses an authority of another usage or none, and another host's credential", async () => {
    const env = await domain();
    for (const id of ["traffic-1", "management-9"])
      await expect(probe(env, id)).rejects.toMatchObject({ code: "authority-unavailable" });
    await expect(probe(env, "management-1", "host-2" as HostId)).rejects.toMatchObject({
      code: "forbidden",
    });
  });
});

function openHost(
  env: TestEnvironment,
  envelope: Parameters<typeof verifyEnvelope>[1],
): HostDocument {
  const payload = verifyEnvelope("host", envelope, env.trustKey.spki);
  return JSON.parse(Buffer.from(payload).toString("utf8")) as HostDocument;
}

type Work = Parameters<TestEnvironment["store"]["write"]>[1];

function write(env: TestEnvironment, work: Work): Promise<unknown> {
  return env.store.write({ actor: testActor, action: "test", subject: "test", detail: {} }, work);
}

async function setStatus(
  env: TestEnvironment,
  status: "previous" | "retired" | "next" | "abandoned",
): Promise<void> {
  await write(env, async (tx) => {
    const [authority] = (await tx.authorities.all()).filter(({ usage }) => usage === "management");
    if (authority !== undefined) await tx.authorities.put({ ...authority, status });
  });
}

/** What a rotation does to a credential while its certificate is being signed. */
async function replaceCurrent(env: TestEnvironment): Promise<void> {
  await write(env, async (tx) => {
    const known = await tx.credentials.get(own);
    const [authority] = (await tx.authorities.all()).filter(({ usage }) => usage === "management");
    if (known === undefined || authority === undefined) throw new Error("the domain is not there");
    await tx.authorities.put({ ...authority, status: "previous" });
    const id = "management-2" as typeof authority.id;
    await tx.authorities.put({ ...authority, id, subject: "CN=Other", status: "current" });
    await tx.credentials.put({ ...known, desired: { ...known.desired, authorityId: id } });
  });
}

describe("renewalDeadline", () => {
  const ask = (env: TestEnvironment, presentedSerial: string | null, hostId = host1) =>
    renewalDeadline(env, { hostId, credentialId: own, presentedSerial });

  test("is the end of the certificate that is presented, when that is what is desired", async () => {
    const env = await domain();
    const { serial, notAfterMs } = await issueFor(env, host1, own);
    expect(await ask(env, serial)).toBe(notAfterMs);
    await expect(ask(env, serial, "host-2" as HostId)).rejects.toMatchObject({ code: "forbidden" });
  });

  test("is none for a first certificate and for one that is to be replaced", async () => {
    const env = await domain();
    const { serial } = await issueFor(env, host1, own);
    expect(await ask(env, null)).toBeNull();
    expect(await ask(env, "unknown")).toBeNull();
    const before = await credential(env, own);
    if (before === undefined) throw new Error("there is no credential");
    await write(env, (tx) => tx.credentials.put({ ...before, desired: wantNewer(before) }));
    expect(await ask(env, serial)).toBeNull();
  });
});
