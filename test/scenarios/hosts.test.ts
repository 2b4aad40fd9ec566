import { cp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { describe, expect, test } from "vitest";
import { nodeStatus } from "../../src/cli/node-control.ts";
import type { HostId } from "../../src/kit/index.ts";
import { LoadedTrust } from "../../src/transport/index.ts";
import { freePort } from "../support/free-port.ts";
import type { RouteBody } from "../../src/contract/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { waitUntil } from "../support/wait-until.ts";

const rotation: RouteBody<"createPlan"> = {
  kind: "rotate-ca",
  usages: ["management", "traffic"],
  observeSeconds: 0,
  subject: null,
};
const host2 = "host-2" as HostId;

async function isConnected(domain: LiveDomain, id: HostId): Promise<boolean> {
  const { hosts } = await domain.call("getTopology");
  return hosts.find((host) => host.id === id)?.connected === true;
}

function untilConnected(domain: LiveDomain, wanted: boolean): Promise<boolean> {
  return waitUntil(async () => (await isConnected(domain, host2)) === wanted, {
    deadlineMs: 30_000,
    what: `host-2 is ${wanted ? "" : "not "}connected`,
  });
}

/** Waits until a host's own log says what happened to it. */
function untilLogged(domain: LiveDomain, host: string, text: RegExp): Promise<boolean> {
  return waitUntil(async () => text.test(await domain.log(host)), {
    deadlineMs: 30_000,
    what: `the log of ${host} says ${text}`,
  });
}

/** One request over a new connection, verified under the domain's trust; resolves with its status. */
function callOnce(domain: LiveDomain, port: number): Promise<number> {
  const ca = LoadedTrust.restore(domain.trust).anchorsPem("traffic");
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: "127.0.0.1",
        port,
        ca,
        servername: "service.test",
        headers: { host: "service.test" },
        agent: false,
      },
      (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode ?? 0));
      },
    );
    call.once("error", reject);
    call.end();
  });
}

describe("a host", () => {
  test("that was away through three rotations comes back by itself", async () => {
    const domain = await LiveDomain.start(2);
    await domain.addInstance("host-2");
    await domain.cutPower("host-2");
    await untilConnected(domain, false);
    for (let i = 0; i < 3; i++) {
      const { rollout } = await domain.follow(await domain.roll(rotation, [host2]));
      expect(rollout.status).toBe("completed");
    }
    await domain.startNode("host-2");
    await untilConnected(domain, true);
    await domain.waitForCredentials(() => true, 4);
    const { authorities } = await domain.call("listAuthorities");
    const current = authorities
      .filter((authority) => authority.status === "current")
      .map((authority) => authority.id);
    const { credentials } = await domain.call("listCredentials");
    expect(credentials.every((credential) => current.includes(credential.authorityId))).toBe(true);
  });

  test("that is down blocks a rotation by name until it is waived, and a stopped instance does not", async () => {
    const domain = await LiveDomain.start(2);
    const { id: instance } = await domain.addInstance("host-1");
    await domain.call("setInstanceEnabled", { params: { id: instance }, body: { enabled: false } });
    await domain.cutPower("host-2");
    await untilConnected(domain, false);
    const id = await domain.roll(rotation);
    const blocker = await waitUntil(
      async () => {
        const { blockers } = await domain.call("getRollout", { params: { id } });
        return blockers.find((candidate) => candidate.code === "host-silent");
      },
      { deadlineMs: 40_000, what: "the silent host blocks" },
    );
    expect(blocker).toMatchObject({
      subject: host2,
      text: expect.stringContaining("host-2.test") as string,
    });
    for (const phase of ["introduce", "issue", "reissue", "observe", "retire"]) {
      await domain.call("waiveGate", {
        params: { id },
        body: { subject: host2, phase, reason: "away", lifetimeSeconds: 3600 },
      });
    }
    const { rollout } = await domain.follow(id);
    expect(rollout.status).toBe("completed");
  });

  test("that was deleted does not get back in", async () => {
    const domain = await LiveDomain.start(2);
    await domain.call("deleteHost", { params: { id: host2 } });
    await untilLogged(domain, "host-2", /is refused|not in the topology|is denied/);
    const { hosts } = await domain.call("getTopology");
    expect(hosts.map((host) => host.id)).toEqual(["host-1"]);
    await domain.stopNode("host-2");
    await domain.startNode("host-2");
    await waitUntil(
      async () =>
        (await nodeStatus(domain.home("host-2")))?.refusal?.includes("host-2 was deleted") === true,
      { deadlineMs: 20_000, what: "its Node Manager says why" },
    );
    expect((await domain.call("getTopology")).hosts).toHaveLength(1);
  });

  test("whose keys were revoked is cut off with its instances, and only joins anew", async () => {
    const domain = await LiveDomain.start(2);
    const { id } = await domain.addInstance("host-2");
    const { epoch, denied, processes } = await domain.call("revoke", {
      body: { process: "nodemanager-2" as never, reason: "stolen" },
    });
    expect(epoch).toBeGreaterThan(1);
    expect(denied).toBeGreaterThanOrEqual(3);
    expect(processes).toEqual(["nodemanager-2", id]);
    await untilConnected(domain, false);
    await domain.stopNode("host-2");
    await domain.startNode("host-2");
    await untilLogged(domain, "host-2", /denied/);
    expect(await isConnected(domain, host2)).toBe(false);
    const { findings } = await domain.call("listFindings");
    expect(findings.filter(({ subject }) => subject === host2)).toMatchObject([
      { code: "host-revoked" },
    ]);
    await domain.call("deleteInstance", { params: { id } });
    await domain.call("deleteHost", { params: { id: host2 } });
    expect((await domain.call("getTopology")).hosts).toHaveLength(1);
  });

  test("that is a copy of another is refused beside its original", async () => {
    const domain = await LiveDomain.start(2);
    await untilConnected(domain, true);
    await cp(domain.home("host-2"), domain.home("copy"), {
      recursive: true,
      verbatimSymlinks: true,
      // On another machine the marks of running processes would mean nothing.
      filter: (path) => !path.endsWith("/run"),
    });
    const settings = JSON.parse(
      await readFile(`${domain.home("copy")}/conf/node.json`, "utf8"),
    ) as { port: number };
    await writeFile(
      `${domain.home("copy")}/conf/node.json`,
      JSON.stringify({ ...settings, port: await freePort() }),
    );
    await domain.startNode("copy");
    await untilLogged(domain, "copy", /another process uses the identity/);
    expect(await isConnected(domain, host2)).toBe(true);
    const { findings } = await domain.call("listFindings");
    expect(findings.map((finding) => finding.code)).toContain("identity-in-use");
  });
});

test("an older store in place of the present one is found by the hosts that know better", async () => {
  const domain = await LiveDomain.start(2);
  const { id } = await domain.addInstance("host-2");
  await domain.cutPower("host-1");
  await cp(domain.home("host-1"), domain.home("backup"), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith("/run"),
  });
  await domain.startNode("host-1");
  await untilConnected(domain, true);
  await domain.call("revoke", { body: { process: id, reason: "lost" } });
  await waitUntil(
    async () => {
      const { credentials } = await domain.call("listCredentials");
      const own = credentials.filter(({ process }) => process === id);
      return own.every(({ installedSequence, onWire }) => installedSequence === 2 && onWire);
    },
    { deadlineMs: 50_000, what: "host-2 has loaded the denial, and given the instance new keys" },
  );
  await domain.cutPower("host-1");
  await rm(domain.home("host-1"), { recursive: true });
  await rename(domain.home("backup"), domain.home("host-1"));
  await domain.startNode("host-1");
  const behind = await waitUntil(
    async () => {
      const { findings } = await domain.call("listFindings");
      return findings.find(({ code }) => code === "store-behind");
    },
    { deadlineMs: 60_000, what: "the finding is raised" },
  );
  expect(behind).toMatchObject({ severity: "error", subject: host2 });
});

describe("without a control plane", () => {
  test("instances serve on, are restarted, and survive a restart of their Node Manager", async () => {
    const domain = await LiveDomain.start(2);
    const { id, port } = await domain.addInstance("host-2");
    const runFile = `groups/group-2/${id}/run/instance.json`;
    await domain.cutPower("host-1");
    const first = await domain.processOf("host-2", runFile);
    await domain.kill("host-2", "run/node.json");
    const node = await waitUntil(() => domain.processOf("host-2", "run/node.json"), {
      deadlineMs: 20_000,
      what: "the Node Manager is back",
    });
    expect(node).not.toBeNull();
    expect(await domain.processOf("host-2", runFile)).toEqual(first);
    await domain.kill("host-2", runFile);
    const second = await waitUntil(() => domain.processOf("host-2", runFile), {
      deadlineMs: 30_000,
      what: "the instance is back",
    });
    expect(second?.pid).not.toBe(first?.pid);
    const status = await waitUntil(() => callOnce(domain, port), {
      deadlineMs: 10_000,
      what: "the instance answers",
    });
    expect(status).toBe(200);
  });
});
