import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { RouteBody } from "../../src/contract/index.ts";
import type { HostId } from "../../src/kit/index.ts";
import { homeLayout, type NodeSettings } from "../../src/domain/index.ts";
import { LiveDomain, onLoopback } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { NoWayOut } from "../support/no-way-out.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

const rotation: RouteBody<"createPlan"> = {
  kind: "rotate-ca",
  usages: ["management", "traffic"],
  observeSeconds: 1,
  subject: null,
};

const dialled = "host-3" as HostId;

async function settingsOf(domain: LiveDomain, host: string): Promise<NodeSettings> {
  return JSON.parse(
    await readFile(homeLayout(domain.home(host)).nodeSettings, "utf8"),
  ) as NodeSettings;
}

async function isConnected(domain: LiveDomain, id: HostId): Promise<boolean> {
  const { hosts } = await domain.call("getTopology");
  return hosts.find((host) => host.id === id)?.connected === true;
}

function untilConnected(domain: LiveDomain, id: HostId): Promise<boolean> {
  return waitUntil(() => isConnected(domain, id), {
    deadlineMs: 60_000,
    what: `${id} is connected`,
  });
}

/** The serial of a credential that is served; null while another one is installed. */
async function newestSerial(domain: LiveDomain, id: string): Promise<string | null> {
  const { credentials } = await domain.call("listCredentials");
  return (
    credentials.find((credential) => credential.id === id && credential.onWire)?.installedSerial ??
    null
  );
}

/** Connections of somebody who says that he is an Admin Node Manager. */
function strangers(port: number, claim: string, count: number): Socket[] {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.2" });
    socket.on("error", () => socket.destroy());
    socket.write(`gatehouse-dial 1 ${claim}\n`);
    return socket;
  });
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  return sockets;
}

/** A domain in which `dialled` has joined, and cannot call an Admin Node Manager, nor needs to. */
async function withDialledHost(admins: 1 | 2, policy: object = {}) {
  const noWayOut = await NoWayOut.create();
  const environment = { GATEHOUSE_POLICY: JSON.stringify(policy) };
  const domain = await LiveDomain.start(1, {}, (host) => ({
    ...onLoopback(),
    environment: host === dialled ? { ...environment, ...noWayOut.environment } : environment,
  }));
  const ports = [domain.adminPort];
  if (admins === 2) {
    const login = await moveStoreTo(domain, [await testServer()]);
    ports.push(await domain.join("host-2", login));
    const { authorities } = await domain.call("shareKeys", { params: { id: "host-2" as HostId } });
    const { authorityKey } = homeLayout(domain.home("host-2"));
    await waitUntil(() => authorities.every((id) => existsSync(authorityKey(id))), {
      deadlineMs: 20_000,
      what: "the second one has the keys",
    });
  } else await domain.join("host-2");
  for (const port of ports) noWayOut.ports.add(port);
  const port = await domain.join(dialled, null, "anm");
  const instance = await domain.addInstance(dialled);
  return { domain, ports, noWayOut, port, instance };
}

test("a host that can call no Admin Node Manager rotates, renews, and comes back after a rotation", async () => {
  // Renewed after 30 s.
  const site = await withDialledHost(1, { leafLifetimeSeconds: 90 });
  const { domain, noWayOut, port, instance } = site;
  strangers(port, "nodemanager-1", 40);
  strangers(port, "nodemanager-7", 5);
  const load = await LiveLoad.start(domain, [instance.port]);
  const own = "nodemanager-3/management";
  const rotated = await domain.follow(await domain.roll(rotation));
  expect(rotated.rollout.status).toBe("completed");
  const reissued = await newestSerial(domain, own);
  await waitUntil(async () => ![null, reissued].includes(await newestSerial(domain, own)), {
    deadlineMs: 60_000,
    what: "the Node Manager's certificate is renewed",
  });
  expect(load.at(instance.port).failures).toEqual([]);
  await domain.cutPower(dialled);
  await domain.follow(await domain.roll(rotation, [dialled]));
  await domain.startNode(dialled);
  await untilConnected(domain, dialled);
  expect(await noWayOut.tried()).toEqual([]);
});

test("a host that can call no Admin Node Manager goes on with another one, and is not cut off by the wish that it calls", async () => {
  const { domain, ports, noWayOut } = await withDialledHost(2);
  // Whichever it uses, it has to do without it once.
  for (const [at, host] of ["host-1", "host-2"].entries()) {
    await domain.cutPower(host);
    domain.useAdmin(ports[1 - at] ?? 0);
    await domain.addInstance(dialled);
    await domain.startNode(host);
    await untilConnected(domain, host as HostId);
  }
  expect(await noWayOut.tried()).toEqual([]);
  await domain.call("setHostDial", { params: { id: dialled }, body: { dial: "nm" } });
  await waitUntil(async () => /who dials cannot be changed yet/.test(await domain.log(dialled)), {
    deadlineMs: 30_000,
    what: "it has tried to dial itself",
  });
  await domain.addInstance(dialled);
  expect((await settingsOf(domain, dialled)).dial).toBe("anm");
  expect(await noWayOut.tried()).not.toEqual([]);
});

test("who dials is changed while the host stays connected, both ways", async () => {
  const domain = await LiveDomain.start(2);
  const id = "host-2" as HostId;
  await domain.addInstance("host-2");
  let wasLost = false;
  for (const dial of ["anm", "nm"] as const) {
    await domain.call("setHostDial", { params: { id }, body: { dial } });
    await waitUntil(
      async () => {
        wasLost ||= !(await isConnected(domain, id));
        return (await settingsOf(domain, "host-2")).dial === dial;
      },
      { deadlineMs: 30_000, what: `${dial} dials` },
    );
    await domain.addInstance("host-2");
    expect(wasLost).toBe(false);
    await domain.cutPower("host-2");
    await domain.startNode("host-2");
    await domain.addInstance("host-2");
  }
  await expect(
    domain.call("setHostDial", { params: { id: "host-1" as HostId }, body: { dial: "anm" } }),
  ).rejects.toMatchObject({ code: "not-supported" });
});
