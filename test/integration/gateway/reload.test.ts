import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, test } from "vitest";
import { instanceRoutes } from "../../../src/contract/index.ts";
import { knownProcess } from "../../support/test-domain.ts";
import { waitUntil } from "../../support/wait-until.ts";
import {
  dnsName,
  hostId,
  keepAsking,
  makeSite,
  route,
  Running,
  shown,
  upstream,
  type Site,
} from "./fixture.ts";

const deadlineMs = 20_000;

async function slowUpstream(): Promise<string> {
  const { origin } = await upstream((_request, response) => {
    setTimeout(() => response.end("ok"), 5);
  });
  return origin;
}

test("the traffic credential is replaced without a failed request on kept-alive and new connections", async () => {
  const site = await makeSite([route([await slowUpstream()])]);
  const running = await Running.start(site);
  const asking = keepAsking(running, { count: 6, path: "/" });
  const serials = [site.traffic.identity.serial];
  for (let i = 0; i < 10; i++) {
    const next = await site.domain.traffic(dnsName, { authorityId: "traffic-1" });
    await site.folder.present("traffic", next);
    const status = await running.caller().call(instanceRoutes.reload);
    expect(status).toMatchObject({ traffic: { serial: next.identity.serial } });
    serials.push(next.identity.serial);
    const seen = await waitUntil(async () => (await running.client().get("/")).serial, {
      deadlineMs,
      what: "an answer",
    });
    expect(seen).toBe(next.identity.serial);
  }
  const { answers: all, failures } = await asking.stop();
  expect(failures).toEqual([]);
  // Resumed sessions, which callers outside may use, show no certificate.
  const answers = all.filter(({ serial }) => serial !== "");
  expect(answers.length).toBeGreaterThan(100);
  expect(new Set(answers.map(({ serial }) => serial)).size).toBeGreaterThan(5);
  expect(answers.map(({ serial }) => serial).filter((serial) => !serials.includes(serial))).toEqual(
    [],
  );
  // Trust did not change: kept-alive connections go on with the first certificate.
  expect(answers.filter(({ serial }) => serial === serials[0]).length).toBeGreaterThan(20);
  expect(
    answers.every(
      ({ headers }) => headers.connection !== "close" || headers["keep-alive"] === undefined,
    ),
  ).toBe(true);
});

test("the management credential is replaced while the Node Manager calls", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  const next = await site.domain.gateway("instance-1", { authorityId: "management-1" });
  site.domain.publishHost(hostId, [
    knownProcess("nodemanager-1", "nm", hostId, [site.nodeManager]),
    knownProcess("instance-1", "gateway", hostId, [site.management, next], site.instance.port),
  ]);
  await site.folder.writeTrust(site.domain);
  await site.folder.present("management", next);
  const caller = running.caller();
  for (let i = 0; i < 3; i++) {
    expect(await caller.call(instanceRoutes.reload)).toMatchObject({
      management: { serial: next.identity.serial },
    });
  }
  const socket = connect({
    host: "127.0.0.1",
    port: site.settings.managementPort,
    rejectUnauthorized: false,
    ...shown(site.nodeManager.identity),
  } as never);
  await once(socket, "secureConnect");
  expect(socket.getPeerCertificate().serialNumber.toLowerCase()).toBe(next.identity.serial);
  socket.destroy();
});

/** Introduces traffic-2, cross-signed, and presents a leaf of it. */
async function introduce(site: Site, running: Running): Promise<void> {
  const { domain, folder } = site;
  domain.publish({ anchors: ["management-1", "traffic-1", "traffic-2"], crossed: ["traffic-2"] });
  await running.reloadTrust();
  await folder.present("traffic", await domain.traffic(dnsName, { authorityId: "traffic-2" }));
  await running.gateway.reload();
}

test("a CA that is taken away closes old connections with an announcement and no failed request", async () => {
  const site = await makeSite([route([await slowUpstream()])]);
  const running = await Running.start(site);
  await site.domain.addAuthority("traffic-2", "traffic", "traffic-1");
  const [old, next] = [site.domain.caPem("traffic-1"), site.domain.caPem("traffic-2")];
  const ready = keepAsking(running, { count: 6, path: "/", ca: [old, next] });
  const late = keepAsking(running, { count: 4, path: "/", ca: [old] });
  await introduce(site, running);
  expect(running.gateway.status()).toMatchObject({ loadedEpoch: 2, oldestConnectionEpoch: 1 });
  // Those who know the old CA only verify the new leaf by the cross-certificate, until the old CA goes.
  const withCross = running.client({ ca: [old], keepAlive: false });
  expect((await withCross.get("/")).status).toBe(200);
  expect((await late.stop()).failures).toEqual([]);
  site.domain.publish({ anchors: ["management-1", "traffic-2"] });
  expect((await running.reloadTrust()).loadedEpoch).toBe(3);
  await waitUntil(() => (running.gateway.status().oldestConnectionEpoch ?? 3) >= 3, {
    deadlineMs,
    what: "no connection is from before",
  });
  await expect(withCross.get("/")).rejects.toThrow("certificate");
  const { answers, failures } = await ready.stop();
  expect(failures).toEqual([]);
  expect(answers.some(({ headers, reused }) => headers.connection === "close" && reused)).toBe(
    true,
  );
  expect(answers.at(-1)?.serial).not.toBe(site.traffic.identity.serial);
});

test("an idle connection from before is ended when its grace is over, one from after stays", async () => {
  let aheadMs = 0;
  const site = await makeSite();
  const running = await Running.start(site, { monotonicMs: () => performance.now() + aheadMs });
  const open = async () => {
    const socket = connect({
      host: "127.0.0.1",
      port: running.servicesPort,
      servername: dnsName,
      rejectUnauthorized: false,
    });
    await once(socket, "secureConnect");
    socket.resume();
    return socket;
  };
  const old = await open();
  const ended = once(old, "close");
  await site.domain.addAuthority("traffic-2", "traffic", "traffic-1");
  await introduce(site, running);
  site.domain.publish({ anchors: ["management-1", "traffic-2"] });
  await running.reloadTrust();
  const fresh = await open();
  await waitUntil(() => running.gateway.status().oldestConnectionEpoch === 1, {
    deadlineMs,
    what: "it is counted",
  });
  aheadMs = 11_000;
  await ended;
  await waitUntil(() => running.gateway.status().oldestConnectionEpoch === 3, {
    deadlineMs,
    what: "the fresh one is left",
  });
  expect(fresh.destroyed).toBe(false);
  fresh.destroy();
});

test("a connection that takes part in no closing is kept when the epoch only adds trust", async () => {
  const site = await makeSite([route([await slowUpstream()])]);
  const running = await Running.start(site);
  const client = running.client();
  await client.get("/");
  await site.domain.addAuthority("traffic-2", "traffic", "traffic-1");
  site.domain.publish({ anchors: ["management-1", "traffic-1", "traffic-2"] });
  await running.reloadTrust();
  expect(await client.get("/")).toMatchObject({ reused: true, status: 200 });
  expect(running.gateway.status().oldestConnectionEpoch).toBe(1);
});

test("new routes are served after a reload", async () => {
  const site = await makeSite();
  const running = await Running.start(site);
  expect((await running.client().get("/")).status).toBe(404);
  const routes = [route([await slowUpstream()])];
  await site.folder.writeSettings({
    ...site.settings,
    configuration: { dnsNames: [], routes: routes as never },
  });
  await running.gateway.reload();
  expect((await running.client().get("/")).status).toBe(200);
});

type Damage = (site: Site) => Promise<unknown>;
const conf = (site: Site, name: string): string => join(site.folder.home, "conf", name);
const damages: [string, string, Damage][] = [
  [
    "the settings are no JSON",
    "state-corrupt",
    (site) => writeFile(conf(site, "instance.json"), "{"),
  ],
  ["the settings are missing", "home-missing", (site) => rm(conf(site, "instance.json"))],
  [
    "the settings have a wrong port",
    "invalid-input",
    (site) => site.folder.writeSettings({ ...site.settings, servicesPort: 0 }),
  ],
  [
    "the ports changed",
    "not-supported",
    (site) => site.folder.writeSettings({ ...site.settings, servicesPort: 1 }),
  ],
  [
    "the settings are another instance's",
    "conflict",
    (site) => site.folder.writeSettings({ ...site.settings, id: "instance-2" as never }),
  ],
  ["the trust is empty", "state-corrupt", (site) => writeFile(conf(site, "trust.json"), "null")],
  [
    "the trust is cut off",
    "state-corrupt",
    async (site) => {
      const text = await readFile(conf(site, "trust.json"), "utf8");
      await writeFile(conf(site, "trust.json"), text.slice(0, -5));
    },
  ],
  [
    "the trust was changed by a stranger",
    "state-corrupt",
    async (site) => {
      const saved = site.domain.trust.save();
      const payload = Buffer.from(saved.link.payload, "base64")
        .toString()
        .replace('"epoch":2', '"epoch":9');
      const link = { ...saved.link, payload: Buffer.from(payload).toString("base64") };
      await writeFile(conf(site, "trust.json"), JSON.stringify({ ...saved, link }));
    },
  ],
  [
    "a key does not fit its certificate",
    "state-corrupt",
    async ({ domain, folder }) => {
      const [one, two] = [
        await domain.traffic("a.example", { authorityId: "traffic-1" }),
        await domain.traffic("b.example", { authorityId: "traffic-1" }),
      ];
      await folder.present("traffic", {
        ...one,
        identity: { ...one.identity, keyPem: two.identity.keyPem },
      });
    },
  ],
  [
    "a certificate is a probe's",
    "state-corrupt",
    async ({ domain, folder }) => {
      await folder.present(
        "traffic",
        await domain.traffic("a.example", {
          authorityId: "traffic-1",
          template: { isProbe: true },
        }),
      );
    },
  ],
  [
    "a credential has gone",
    "state-corrupt",
    (site) => rm(join(site.folder.home, "credentials/management/generations"), { recursive: true }),
  ],
];

test.each(damages)("a reload keeps the last good state when %s", async (_when, code, damage) => {
  const site = await makeSite([route([await slowUpstream()])]);
  site.domain.publish({});
  await site.folder.writeTrust(site.domain);
  const running = await Running.start(site);
  const before = running.gateway.status();
  await damage(site);
  const tls = { ...shown(site.nodeManager.identity), method: "POST" };
  const answer = await running.ask("/reload", tls);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(JSON.parse(answer.text)).toMatchObject({ code });
  const { management, traffic, loadedEpoch } = running.gateway.status();
  expect({ management, traffic, loadedEpoch }).toEqual({
    management: before.management,
    traffic: before.traffic,
    loadedEpoch: before.loadedEpoch,
  });
  const served = await running.client().get("/");
  expect(served).toMatchObject({ status: 200, serial: site.traffic.identity.serial });
});

test("a reload never goes back to older trust or an older host document", async () => {
  const site = await makeSite();
  const old = site.domain.trust.save();
  site.domain.publish({});
  await site.folder.writeTrust(site.domain);
  const running = await Running.start(site);
  await writeFile(conf(site, "trust.json"), JSON.stringify(old));
  await expect(running.gateway.reload()).rejects.toMatchObject({ code: "stale-epoch" });
  expect(running.gateway.status().loadedEpoch).toBe(2);
  const saved = site.domain.trust.save();
  site.domain.publishHost(hostId, [
    knownProcess("nodemanager-1", "nm", hostId, [site.nodeManager]),
  ]);
  await running.reloadTrust();
  await writeFile(conf(site, "trust.json"), JSON.stringify(saved));
  await expect(running.gateway.reload()).rejects.toMatchObject({ code: "stale-epoch" });
});
