import { connect } from "node:tls";
import { expect, test } from "vitest";
import { instanceRoutes } from "../../../src/contract/index.ts";
import type { ProcessUsage } from "../../../src/domain/index.ts";
import {
  isProbeCertificate,
  parseCertificate,
  parseRequestPem,
  processProfile,
  trafficProfile,
  verifyRequestSignature,
  encodePem,
} from "../../../src/pki/index.ts";
import { nodeCryptoPort } from "../../../src/keys/index.ts";
import {
  LoadedTrust,
  judgePeer,
  probe,
  probeProtocol,
  probeServerName,
  type Identity,
  type ProbeAnswer,
} from "../../../src/transport/index.ts";
import { nowMs } from "../../support/test-domain.ts";
import { dnsName, hostId, makeSite, Running, shown, type Site } from "./fixture.ts";

/** Has the instance make probe keys, certifies them as the control plane would, installs them. */
async function prepare(running: Running, authorityId: string, usage: ProcessUsage): Promise<void> {
  const caller = running.caller();
  const { requests } = (await caller.call(instanceRoutes.requestProbes, {
    body: { authorityId, usages: [usage] },
  })) as { requests: { usage: ProcessUsage; requestPem: string }[] };
  expect(requests.map((each) => each.usage)).toEqual([usage]);
  const certificates = requests.map(({ requestPem }) => {
    const certificatePem = certify(running.site, authorityId, usage, requestPem);
    return { usage, certificatePem };
  });
  await caller.call(instanceRoutes.installProbes, { body: { authorityId, certificates } });
}

function certify(
  site: Site,
  authorityId: string,
  usage: ProcessUsage,
  requestPem: string,
  isProbe = true,
): string {
  const request = parseRequestPem(requestPem);
  expect(verifyRequestSignature(request, nodeCryptoPort)).toBe(true);
  const { extensions, subject } = site[usage].certificate;
  const certificate = site.domain.sign(authorityId, request.spki, {
    profile: usage === "traffic" ? trafficProfile : processProfile("gateway"),
    subject,
    subjectAltName: extensions.subjectAltName ?? [],
    notAfterMs: nowMs() + 600_000,
    isProbe,
  });
  return encodePem("CERTIFICATE", certificate.der);
}

/** The Node Manager's probe certificate of an authority. */
async function callerProbe(site: Site, authorityId: string): Promise<Identity> {
  const template = { isProbe: true, notAfterMs: nowMs() + 600_000 };
  return (await site.domain.nodeManager(hostId, { authorityId, template })).identity;
}

function probeManagement(
  running: Running,
  authorityId: string,
  identity: Identity,
  trust = running.site.domain.trust,
): Promise<ProbeAnswer> {
  const { site } = running;
  return probe({
    address: "127.0.0.1",
    port: site.settings.managementPort,
    authorityId,
    identity,
    trust,
    usage: "management",
    timeoutMs: 5_000,
    checkServer: (peer) => {
      const verdict = judgePeer(peer, trust, {
        self: { role: "nm", hostId },
        known: [site.instance],
        nowMs: Date.now(),
        peerIs: "server",
        expected: site.instance.id,
        probe: true,
      });
      return verdict.ok ? undefined : new Error(verdict.text);
    },
  });
}

function probeTraffic(
  running: Running,
  authorityId: string,
  trust = running.site.domain.trust,
): Promise<ProbeAnswer> {
  return probe({
    address: "127.0.0.1",
    port: running.servicesPort,
    authorityId,
    identity: null,
    trust,
    usage: "traffic",
    timeoutMs: 5_000,
    checkServer: (peer) => (peer.isProbe ? undefined : new Error("no probe certificate was shown")),
  });
}

test("both ports accept a probe of an authority that everyone trusts, and say their epoch", async () => {
  const site = await makeSite();
  const { domain } = site;
  await domain.addAuthority("management-2", "management", "management-1");
  await domain.addAuthority("traffic-2", "traffic", "traffic-1");
  domain.publish({ anchors: ["management-1", "management-2", "traffic-1", "traffic-2"] });
  await site.folder.writeTrust(domain);
  const running = await Running.start(site);
  await prepare(running, "management-2", "management");
  await prepare(running, "traffic-2", "traffic");
  const identity = await callerProbe(site, "management-2");
  const accepted = { accepted: true, epoch: 2, process: "instance-1", text: "" };
  expect(await probeManagement(running, "management-2", identity)).toEqual(accepted);
  expect(await probeTraffic(running, "traffic-2")).toEqual(accepted);
  expect(running.gateway.status().oldestConnectionEpoch).toBe(2);
});

test("the management port refuses a probe truthfully while the instance has not loaded the authority", async () => {
  const site = await makeSite();
  const { domain } = site;
  await domain.addAuthority("management-2", "management", "management-1");
  const running = await Running.start(site);
  await prepare(running, "management-2", "management");
  domain.publish({ anchors: ["management-1", "management-2", "traffic-1"] });
  const identity = await callerProbe(site, "management-2");
  await expect(probeManagement(running, "management-2", identity)).rejects.toMatchObject({
    cause: { message: expect.stringContaining("the chain is not trusted") },
  });
  await running.reloadTrust();
  expect(await probeManagement(running, "management-2", identity)).toMatchObject({
    accepted: true,
    epoch: 2,
  });
});

test("a probe fails on both ports when the prober has not loaded the authority", async () => {
  const site = await makeSite();
  const { domain } = site;
  const before = LoadedTrust.restore(domain.trust.save());
  await domain.addAuthority("management-2", "management", "management-1");
  await domain.addAuthority("traffic-2", "traffic", "traffic-1");
  domain.publish({ anchors: ["management-1", "management-2", "traffic-1", "traffic-2"] });
  await site.folder.writeTrust(domain);
  const running = await Running.start(site);
  await prepare(running, "management-2", "management");
  await prepare(running, "traffic-2", "traffic");
  const identity = await callerProbe(site, "management-2");
  await expect(probeManagement(running, "management-2", identity, before)).rejects.toMatchObject({
    code: "certificate-rejected",
  });
  await expect(probeTraffic(running, "traffic-2", before)).rejects.toMatchObject({
    code: "certificate-rejected",
  });
});

test("a probe of an authority that nothing was prepared for is shown no probe certificate", async () => {
  const running = await Running.start(await makeSite());
  await expect(probeTraffic(running, "traffic-2")).rejects.toMatchObject({
    cause: { message: "no probe certificate was shown" },
  });
});

test("a probe with a real certificate, or with none, is refused truthfully", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  await prepare(running, "management-1", "management");
  await expect(
    probeManagement(running, "management-1", site.nodeManager.identity),
  ).rejects.toMatchObject({
    cause: { message: "a probe connection needs a probe certificate" },
  });
  const stranger = (
    await site.domain.nodeManager("host-2", {
      authorityId: "management-1",
      template: { isProbe: true },
    })
  ).identity;
  await expect(probeManagement(running, "management-1", stranger)).rejects.toMatchObject({
    cause: { message: expect.stringContaining("is not in the signed topology") },
  });
  expect(JSON.parse(await rawProbe(running, {}))).toMatchObject({ accepted: false });
});

function rawProbe(running: Running, tls: object): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect({
      host: "127.0.0.1",
      port: running.site.settings.managementPort,
      servername: probeServerName("management-1"),
      ALPNProtocols: [probeProtocol],
      rejectUnauthorized: false,
      ...tls,
    });
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.once("error", reject);
    socket.once("close", () => resolve(text));
  });
}

test("a prepared probe is shown to nobody who does not ask for it by name", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  await prepare(running, "traffic-1", "traffic");
  const serial = (servername: string): Promise<boolean> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        host: "127.0.0.1",
        port: running.servicesPort,
        servername,
        rejectUnauthorized: false,
      });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        const { raw } = socket.getPeerCertificate();
        socket.destroy();
        resolve(isProbeCertificate(parseCertificate(new Uint8Array(raw))));
      });
    });
  expect(await serial(dnsName)).toBe(false);
  expect(await serial(probeServerName("traffic-2"))).toBe(false);
  expect(await serial(probeServerName("traffic-1"))).toBe(true);
});

test("the management port does not answer HTTP to a probe connection's certificate", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  await prepare(running, "management-1", "management");
  const tls = {
    ...shown(await callerProbe(site, "management-1")),
    servername: probeServerName("management-1"),
  };
  const answer = await running.ask("/status", tls);
  expect(answer.status).toBe(403);
  expect(JSON.parse(answer.text)).toMatchObject({ context: { refusal: "probe" } });
});

test("probe certificates are refused when they are not what was asked for", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  const caller = running.caller();
  const request = async (): Promise<string> => {
    const { requests } = (await caller.call(instanceRoutes.requestProbes, {
      body: { authorityId: "traffic-1", usages: ["traffic"] },
    })) as { requests: { requestPem: string }[] };
    return requests[0]?.requestPem ?? "";
  };
  const install = (authorityId: string, certificatePem: string): Promise<unknown> =>
    caller.call(instanceRoutes.installProbes, {
      body: { authorityId, certificates: [{ usage: "traffic", certificatePem }] },
    });
  const first = await request();
  const second = await request();
  expect(first).not.toBe(second);
  const refused = { code: "certificate-rejected" };
  await expect(
    install("traffic-1", certify(site, "traffic-1", "traffic", first)),
  ).rejects.toMatchObject(refused);
  await expect(
    install("traffic-2", certify(site, "traffic-1", "traffic", second)),
  ).rejects.toMatchObject(refused);
  await expect(
    install("traffic-1", certify(site, "traffic-1", "traffic", second, false)),
  ).rejects.toMatchObject(refused);
  await expect(install("traffic-1", "nonsense")).rejects.toMatchObject({ code: "invalid-input" });
  expect(await install("traffic-1", certify(site, "traffic-1", "traffic", second))).toBeNull();
});
