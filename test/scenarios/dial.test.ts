import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { RouteBody } from "../../src/contract/index.ts";
import type { HostId } from "../../src/kit/index.ts";
import { homeLayout, type NodeSettings } from "../../src/domain/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { TestNetwork } from "../support/network.ts";
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
function dialAsStranger(host: string, port: number, claim: string, count: number): void {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ host, port });
    socket.on("error", () => socket.destroy());
    socket.write(`gatehouse-dial 1 ${claim}\n`);
    return socket;
  });
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
}

const adminHosts = ["host-1", "host-2"] as const;

/**
 * Two Admin Node Managers, each with the keys of the CAs, and a host in a DMZ: a packet filter lets
 * no connection out of it to them.
 */
async function withHostInDmz() {
  const network = await TestNetwork.create();
  for (const name of [...adminHosts, dialled, "db"]) await network.addHost(name);
  // Renewed after 30 s.
  const environment = { GATEHOUSE_POLICY: JSON.stringify({ leafLifetimeSeconds: 90 }) };
  const place = (name: string) => ({ ...network.host(name), environment });
  const domain = await LiveDomain.start(1, {}, place);
  const server = await testServer({ ...network.host("db"), subnet: network.subnet });
  const login = await moveStoreTo(domain, [server]);
  const first = domain.admin;
  const port = await domain.join("host-2", login);
  const admins = [first, { address: network.host("host-2").address, port }];
  const { authorities } = await domain.call("shareKeys", { params: { id: "host-2" as HostId } });
  const { authorityKey } = homeLayout(domain.home("host-2"));
  await waitUntil(() => authorities.every((id) => existsSync(authorityKey(id))), {
    deadlineMs: 20_000,
    what: "the second Admin Node Manager has the keys",
  });
  domain.useAdmins(admins);
  for (const host of adminHosts) await network.forbidCalls(dialled, host);
  const callsTried = async (): Promise<number> =>
    (await Promise.all(adminHosts.map((host) => network.forbiddenCalls(host)))).reduce(
      (sum, count) => sum + count,
    );
  return { domain, network, callsTried };
}

test("a host that can call no Admin Node Manager rotates, renews, goes on with another one, and comes back", async () => {
  const { domain, network, callsTried } = await withHostInDmz();
  const port = await domain.join(dialled, null, "anm");
  const { address } = network.host(dialled);
  dialAsStranger(address, port, "nodemanager-1", 40);
  dialAsStranger(address, port, "nodemanager-7", 5);
  await domain.addInstance(dialled);
  const rotated = await domain.follow(await domain.roll(rotation));
  expect(rotated.rollout.status).toBe("completed");
  const own = "nodemanager-3/management";
  const reissued = await newestSerial(domain, own);
  // Whichever it uses, it has to do without it once.
  for (const host of adminHosts) {
    await domain.cutPower(host);
    await domain.addInstance(dialled);
    await domain.startNode(host);
    await untilConnected(domain, host as HostId);
  }
  await waitUntil(async () => ![null, reissued].includes(await newestSerial(domain, own)), {
    deadlineMs: 60_000,
    what: "the Node Manager's certificate is renewed",
  });
  await domain.cutPower(dialled);
  await domain.follow(await domain.roll(rotation, [dialled]));
  await domain.startNode(dialled);
  await untilConnected(domain, dialled);
  expect(await callsTried()).toBe(0);
  // That it calls is wished, and cannot be: it is not cut off.
  await domain.call("setHostDial", { params: { id: dialled }, body: { dial: "nm" } });
  await waitUntil(async () => /who dials cannot be changed yet/.test(await domain.log(dialled)), {
    deadlineMs: 30_000,
    what: "it has tried to call",
  });
  expect(await callsTried()).toBeGreaterThan(0);
  await domain.addInstance(dialled);
  expect((await settingsOf(domain, dialled)).dial).toBe("anm");
}, 300_000);

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
