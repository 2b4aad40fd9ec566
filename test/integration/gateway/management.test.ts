import { once } from "node:events";
import { connect, type SecureVersion, type TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { instanceRoutes, type InstanceStatus } from "../../../src/contract/index.ts";
import { oid, trafficProfile } from "../../../src/pki/index.ts";
import type { Identity } from "../../../src/transport/index.ts";
import { dayMs } from "../../support/certificates.ts";
import { knownProcess, nowMs, TestDomain } from "../../support/test-domain.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { denial, hostId, makeSite, Running, shown, type Site } from "./fixture.ts";

const deadlineMs = 10_000;

test("the Node Manager reads the status, with what is presented on both ports", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  const status = (await running.caller().call(instanceRoutes.getStatus)) as InstanceStatus;
  expect(status).toEqual({
    id: "instance-1",
    pid: process.pid,
    startedAtMs: expect.any(Number),
    loadedEpoch: 1,
    oldestConnectionEpoch: 1,
    management: {
      serial: site.management.identity.serial,
      sequence: 1,
      authorityId: "management-1",
      notAfterMs: site.management.certificate.notAfterMs,
    },
    traffic: {
      serial: site.traffic.identity.serial,
      sequence: 2,
      authorityId: "traffic-1",
      notAfterMs: site.traffic.certificate.notAfterMs,
    },
    draining: false,
    openRequests: 0,
  });
});

test("health and readiness are told to the Node Manager", async () => {
  const running = await Running.start(await makeSite());
  const tls = shown(running.site.nodeManager.identity);
  expect(await running.ask("/health", tls)).toEqual({ status: 200, text: '{"status":"ok"}' });
  expect(await running.ask("/ready", tls)).toMatchObject({ status: 200 });
});

test("an Admin Node Manager of the same host may call", async () => {
  const site = await makeSite();
  const admin = await site.domain.nodeManager(hostId, { authorityId: "management-1", role: "anm" });
  site.domain.publishHost(hostId, [knownProcess("nodemanager-1", "anm", hostId, [admin])]);
  await site.folder.writeTrust(site.domain);
  const running = await Running.start(site);
  expect((await running.ask("/status", shown(admin.identity))).status).toBe(200);
});

/** Every caller that is not the host's Node Manager, and what it is refused for. */
const wrongCallers: [string, string, number, (site: Site) => Promise<Identity | null>][] = [
  ["no certificate", "no-identity", 401, async () => null],
  ["the instance's own certificate", "conversation", 403, async (site) => site.management.identity],
  [
    "another instance's certificate",
    "conversation",
    403,
    async ({ domain, nodeManager, management }) => {
      const other = await domain.gateway("instance-2", { authorityId: "management-1" });
      domain.publishHost(hostId, [
        knownProcess("nodemanager-1", "nm", hostId, [nodeManager]),
        knownProcess("instance-1", "gateway", hostId, [management]),
        knownProcess("instance-2", "gateway", hostId, [other]),
      ]);
      return other.identity;
    },
  ],
  [
    "the Node Manager of another host",
    "unknown-process",
    403,
    async ({ domain }) =>
      (await domain.nodeManager("host-2", { authorityId: "management-1" })).identity,
  ],
  [
    "the Node Manager of another host that the document names",
    "conversation",
    403,
    async ({ domain, nodeManager }) => {
      const other = await domain.nodeManager("host-2", { authorityId: "management-1" });
      domain.publishHost(hostId, [
        knownProcess("nodemanager-1", "nm", hostId, [nodeManager]),
        knownProcess("nodemanager-2", "nm", "host-2", [other]),
      ]);
      return other.identity;
    },
  ],
  [
    "the same host's Node Manager of another domain",
    "chain",
    403,
    async () => {
      const other = await TestDomain.create("other.example");
      return (await other.nodeManager(hostId, { authorityId: "management-1" })).identity;
    },
  ],
  [
    "a certificate of our CA that states another domain",
    "other-domain",
    403,
    async ({ domain }) => {
      const subjectAltName = [
        { type: "uri" as const, value: `spiffe://other.example/nm/${hostId}` },
      ];
      const template = { subjectAltName };
      return (await domain.nodeManager(hostId, { authorityId: "management-1", template })).identity;
    },
  ],
  [
    "an expired certificate",
    "chain",
    403,
    async ({ domain, nodeManager }) => {
      const template = { notAfterMs: nowMs() - 60_000 };
      const { keys } = nodeManager;
      return (await domain.nodeManager(hostId, { authorityId: "management-1", keys, template }))
        .identity;
    },
  ],
  [
    "a certificate that is not valid yet",
    "chain",
    403,
    async ({ domain, nodeManager }) => {
      const template = { notBeforeMs: nowMs() + dayMs };
      const { keys } = nodeManager;
      return (await domain.nodeManager(hostId, { authorityId: "management-1", keys, template }))
        .identity;
    },
  ],
  [
    "a denied key",
    "denied",
    403,
    async ({ domain, nodeManager }) => {
      domain.publish({ denied: [denial(nodeManager)] });
      return nodeManager.identity;
    },
  ],
  [
    "a Node Manager that left the topology",
    "unknown-process",
    403,
    async ({ domain, nodeManager, management }) => {
      domain.publishHost(hostId, [knownProcess("instance-1", "gateway", hostId, [management])]);
      return nodeManager.identity;
    },
  ],
  [
    "another key that the same CA certified under the same name",
    "other-key",
    403,
    async ({ domain }) =>
      (await domain.nodeManager(hostId, { authorityId: "management-1" })).identity,
  ],
  [
    "a probe certificate for the recorded key",
    "probe",
    403,
    async ({ domain, nodeManager }) => {
      const template = { isProbe: true };
      const { keys } = nodeManager;
      return (await domain.nodeManager(hostId, { authorityId: "management-1", keys, template }))
        .identity;
    },
  ],
  [
    "a Node Manager's certificate whose usages state no role",
    "role-mismatch",
    403,
    async ({ domain, nodeManager }) => {
      const profile = { ...trafficProfile, extendedKeyUsage: [oid.serverAuth, oid.clientAuth] };
      const { keys } = nodeManager;
      const of = { authorityId: "management-1", keys, template: { profile } };
      return (await domain.nodeManager(hostId, of)).identity;
    },
  ],
  [
    "a certificate of the traffic CA",
    "chain",
    403,
    async ({ domain, nodeManager }) => {
      const { keys } = nodeManager;
      return (await domain.nodeManager(hostId, { authorityId: "traffic-1", keys })).identity;
    },
  ],
];

describe("the management port refuses", () => {
  test.each(wrongCallers)("%s", async (_who, refusal, status, makeCaller) => {
    const site = await makeSite();
    const identity = await makeCaller(site);
    await site.folder.writeTrust(site.domain);
    const running = await Running.start(site);
    const tls = identity === null ? {} : shown(identity);
    for (const path of ["/status", "/health", "/ready", "/metrics", "/nothing"]) {
      const answer = await running.ask(path, tls);
      expect(answer.status).toBe(status);
      expect(JSON.parse(answer.text)).toMatchObject({ context: { refusal } });
    }
    for (const [path, method] of [
      ["/reload", "POST"],
      ["/stop", "POST"],
      ["/probe-requests", "POST"],
      ["/probes", "PUT"],
    ]) {
      const answer = await running.ask(path ?? "", { ...tls, method }, "{}");
      expect(answer.status).toBe(status);
    }
    expect(running.gateway.status().draining).toBe(false);
  });
});

test("a key that is denied while its connection is open loses the connection at the reload", async () => {
  const site = await makeSite();
  // Time stands still, so that nothing is closed for being idle.
  const running = await Running.start(site, { monotonicMs: () => 0 });
  const { socket, closed } = await openManagement(running, site.nodeManager.identity);
  socket.write("GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
  const [first] = (await once(socket, "data")) as [Buffer];
  expect(first.toString("latin1")).toContain("200 OK");
  site.domain.publish({ denied: [denial(site.nodeManager)] });
  await running.reloadTrust();
  await closed;
});

test("a key that is forgotten while its connection is open loses the connection at the reload", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  const { closed } = await openManagement(running, site.nodeManager.identity);
  const next = await site.domain.nodeManager(hostId, { authorityId: "management-1" });
  const process = (keys: (typeof next)[]) => [
    knownProcess("nodemanager-1", "nm", hostId, keys),
    site.instance,
  ];
  site.domain.publishHost(hostId, process([site.nodeManager, next]));
  await running.reloadTrust();
  expect((await running.ask("/status", shown(site.nodeManager.identity))).status).toBe(200);
  expect((await running.ask("/status", shown(next.identity))).status).toBe(200);
  site.domain.publishHost(hostId, process([next]));
  await running.reloadTrust();
  await closed;
  expect((await running.ask("/status", shown(site.nodeManager.identity))).status).toBe(403);
});

test("a certificate that ends while its connection is open opens nothing more", async () => {
  const site = await makeSite();
  let aheadMs = 0;
  const running = await Running.start(site, { nowMs: () => Date.now() + aheadMs });
  const { socket } = await openManagement(running, site.nodeManager.identity);
  aheadMs = 31 * dayMs;
  socket.write("GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString("latin1")).toContain("403 Forbidden");
  expect(answer.toString("latin1").toLowerCase()).toContain("connection: close");
});

test("a resumed session is refused, since it repeats an old verdict", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  const { socket } = await openManagement(running, site.nodeManager.identity);
  const sessions: Buffer[] = [];
  socket.on("session", (session: Buffer) => sessions.push(session));
  socket.write("GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
  const session = await waitUntil(() => sessions[0], { deadlineMs, what: "a session" });
  const resumed = await openManagement(running, site.nodeManager.identity, { session });
  expect(resumed.socket.isSessionReused()).toBe(true);
  await resumed.closed;
});

test("the management port does not speak TLS 1.2", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  const maxVersion: SecureVersion = "TLSv1.2";
  const tls = { ...shown(site.nodeManager.identity), maxVersion };
  await expect(running.ask("/status", tls)).rejects.toThrow("protocol version");
});

test("a request that is no JSON, too large, or of another form is answered with a problem", async () => {
  const running = await Running.start(await makeSite());
  const tls = { ...shown(running.site.nodeManager.identity), method: "POST" };
  for (const body of [
    "{",
    "[]",
    "{}",
    '{"authorityId":"a","usages":[]}',
    `{"authorityId":"a","usages":["x"]}`,
    `"${"x".repeat(600_000)}"`,
  ]) {
    const answer = await running.ask("/probe-requests", tls, body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ code: "invalid-input" });
  }
  expect((await running.ask("/unknown", tls)).status).toBe(404);
});

async function openManagement(
  running: Running,
  identity: Identity,
  more: { session?: Buffer | undefined } = {},
): Promise<{ socket: TLSSocket; closed: Promise<unknown> }> {
  const socket = connect({
    host: "127.0.0.1",
    port: running.site.settings.managementPort,
    ca: running.site.domain.caPem("management-1"),
    checkServerIdentity: () => undefined,
    key: identity.keyPem,
    cert: identity.certificatePem,
    ...more,
  });
  const closed = once(socket, "close");
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return { socket, closed };
}
