import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { instanceRoutes } from "../../../src/contract/index.ts";
import { Gateway, type RunRecord } from "../../../src/gateway/index.ts";
import { errorCodes, type ErrorCode } from "../../../src/kit/index.ts";
import { waitUntil } from "../../support/wait-until.ts";
import {
  dnsName,
  makeSite,
  route,
  Running,
  shown,
  TrafficClient,
  upstream,
  type Site,
} from "./fixture.ts";

const deadlineMs = 20_000;
const main = join(import.meta.dirname, "../../../src/gateway/main.ts");
const drainTimes = { noticeMs: 1_000, quietMs: 200, deadlineMs: 10_000 };

const recordOf = (site: Site): RunRecord =>
  JSON.parse(readFileSync(join(site.folder.home, "run/instance.json"), "utf8")) as RunRecord;

/** An upstream whose answers wait until they are let go. */
async function heldUpstream(): Promise<{ origin: string; waiting(): number; release(): void }> {
  const held: (() => void)[] = [];
  const { origin } = await upstream((_request, response) => {
    held.push(() => response.end("ok"));
  });
  return {
    origin,
    waiting: () => held.length,
    release: () => held.splice(0).forEach((go) => go()),
  };
}

test("a stopped instance finishes open requests, fails its health checks, and then ends", async () => {
  const held = await heldUpstream();
  const site = await makeSite([route([held.origin])]);
  const running = await Running.start(site, { drainTimes });
  const client = running.client();
  const open = client.get("/");
  await waitUntil(() => held.waiting() === 1, {
    deadlineMs,
    what: "the request is at the upstream",
  });
  expect(await running.caller().call(instanceRoutes.stop)).toBeNull();
  const health = await running.client().get("/healthchecklb");
  expect(health).toMatchObject({ status: 503, headers: { connection: "close" } });
  expect((await running.client().get("/healthcheck")).status).toBe(200);
  const tls = shown(site.nodeManager.identity);
  expect(await running.ask("/ready", tls)).toMatchObject({ status: 503 });
  expect(running.gateway.status()).toMatchObject({ draining: true, openRequests: 1 });
  held.release();
  expect(await open).toMatchObject({ status: 200, body: "ok" });
  await running.gateway.ended;
  await expect(running.client().get("/healthcheck")).rejects.toThrow("ECONNREFUSED");
  expect(existsSync(join(site.folder.home, "run/instance.json"))).toBe(false);
});

test("a stopped instance cuts off what is open when the deadline is over", async () => {
  const held = await heldUpstream();
  const running = await Running.start(await makeSite([route([held.origin])]), {
    drainTimes: { noticeMs: 10, quietMs: 0, deadlineMs: 100 },
  });
  const open = running.client().get("/");
  await waitUntil(() => held.waiting() === 1, {
    deadlineMs,
    what: "the request is at the upstream",
  });
  await Promise.all([running.gateway.stop(), expect(open).rejects.toThrow("socket hang up")]);
});

test("a stop under load fails no request that was begun on a kept-alive connection", async () => {
  const { origin } = await upstream((_request, response) => void response.end("ok"));
  const running = await Running.start(await makeSite([route([origin])]), { drainTimes });
  const client = running.client();
  const statuses: number[] = [];
  let announced = false;
  const asking = (async () => {
    while (!announced) {
      const { status, headers } = await client.get("/");
      statuses.push(status);
      announced = headers.connection === "close";
    }
  })();
  await waitUntil(() => statuses.length > 5, { deadlineMs, what: "some answers" });
  await Promise.all([running.gateway.stop(), asking]);
  expect(new Set(statuses)).toEqual(new Set([200]));
});

test("an instance without a traffic credential opens its services port once it has one", async () => {
  const site = await makeSite();
  await rm(join(site.folder.home, "credentials/traffic"), { recursive: true });
  const running = await Running.start(site);
  const tls = shown(site.nodeManager.identity);
  expect(await running.ask("/ready", tls)).toMatchObject({ status: 503 });
  expect(running.gateway.status().traffic).toBeNull();
  await expect(running.client().get("/healthcheck")).rejects.toThrow("ECONNREFUSED");
  await site.folder.present("traffic", site.traffic);
  await running.gateway.reload();
  expect(await running.ask("/ready", tls)).toMatchObject({ status: 200 });
  expect((await running.client().get("/healthcheck")).status).toBe(200);
});

test("a start on a port that is taken says so, and leaves nothing open", async () => {
  const [first, second] = [await makeSite(), await makeSite()];
  await Running.start(first);
  const { servicesPort } = first.settings;
  await second.folder.writeSettings({ ...second.settings, servicesPort });
  await expect(Running.start(second)).rejects.toMatchObject({
    code: "port-in-use",
    message: expect.stringContaining(`services port ${servicesPort}`),
  });
  await second.folder.writeSettings(second.settings);
  await Running.start(second);
});

interface Started {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly exit: Promise<number | string>;
}

function startProgram(home: string, ...more: string[]): Started {
  const child = spawn(process.execPath, [main, "--home", home, ...more], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const exit = once(child, "close").then(
    ([status, signal]) => (status ?? signal) as number | string,
  );
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return { process: child, output: () => output, errors: () => errors, exit };
}

async function startedProgram(site: Site): Promise<Started> {
  const started = startProgram(site.folder.home);
  await waitUntil(() => recordOf(site).pid === started.process.pid, {
    deadlineMs,
    what: "it runs",
  });
  return started;
}

const programClient = (site: Site): TrafficClient =>
  new TrafficClient(site.settings.servicesPort, { ca: site.domain.caPem("traffic-1") });

test("the program serves, says where it runs, and ends with status 0 at SIGTERM", async () => {
  const { origin } = await upstream((_request, response) => void response.end("ok"));
  const site = await makeSite([route([origin])]);
  const started = await startedProgram(site);
  const stat = readFileSync(`/proc/${started.process.pid}/stat`, "latin1");
  expect(recordOf(site)).toEqual({
    pid: started.process.pid,
    startTimeTicks: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19],
    managementPort: site.settings.managementPort,
  });
  expect(await programClient(site).get("/")).toMatchObject({ status: 200, body: "ok" });
  started.process.kill("SIGTERM");
  expect(await started.exit).toBe(0);
  const lines = started
    .output()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { msg: string });
  expect(lines.map(({ msg }) => msg)).toEqual(["the instance serves", "draining", "ended"]);
  expect(started.errors()).toBe("");
  const secrets = [site.traffic, site.management].map(
    ({ identity }) => identity.keyPem.split("\n")[1] ?? "?",
  );
  for (const secret of secrets) expect(started.output()).not.toContain(secret);
});

test("the program starts again after SIGKILL, and a second start beside it is refused", async () => {
  const site = await makeSite();
  const killed = await startedProgram(site);
  killed.process.kill("SIGKILL");
  expect(await killed.exit).toBe("SIGKILL");
  await startedProgram(site);
  const second = startProgram(site.folder.home);
  expect(await second.exit).toBe(errorCodes["home-locked"].exit);
  expect(second.errors()).toMatch(/^gateway: an instance is running on [^\n]*: stop it first\n$/);
  await expect(
    Gateway.start({ home: site.folder.home, log: noLog, nowMs: Date.now, monotonicMs: Date.now }),
  ).rejects.toMatchObject({ code: "home-locked" });
  expect((await programClient(site).get("/healthcheck")).status).toBe(200);
});

const noLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

test("the program goes on when its terminal, and whoever reads its output, is gone", async () => {
  const { origin, close } = await upstream((_request, response) => void response.end("ok"));
  const site = await makeSite([route([origin])]);
  const started = await startedProgram(site);
  started.process.stdout?.destroy();
  started.process.stderr?.destroy();
  started.process.kill("SIGHUP");
  const client = programClient(site);
  await close();
  // Each is logged: the upstream is out.
  expect((await client.get("/")).status).toBe(503);
  expect((await client.get("/healthcheck")).status).toBe(200);
});

test("the program loads its files again at SIGHUP, and keeps what it has if they cannot be loaded", async () => {
  const site = await makeSite();
  const started = await startedProgram(site);
  const client = programClient(site);
  expect((await client.get("/healthcheck")).serial).toBe(site.traffic.identity.serial);
  await writeFile(join(site.folder.home, "conf/instance.json"), "{");
  started.process.kill("SIGHUP");
  await waitUntil(() => started.output().includes("nothing was loaded"), {
    deadlineMs,
    what: "it says that nothing was loaded",
  });
  await site.folder.writeSettings(site.settings);
  const next = await site.domain.traffic(dnsName, { authorityId: "traffic-1" });
  await site.folder.present("traffic", next);
  started.process.kill("SIGHUP");
  await waitUntil(() => started.output().includes(next.identity.serial), {
    deadlineMs,
    what: "it says what it has loaded",
  });
  const { serial } = await programClient(site).get("/healthcheck");
  expect(serial).toBe(next.identity.serial);
});

const starts: [string, ErrorCode, (home: string, site: Site) => Promise<unknown>][] = [
  ["the folder is empty", "home-missing", (home) => rm(join(home, "conf"), { recursive: true })],
  [
    "the settings are no JSON",
    "state-corrupt",
    (home) => writeFile(join(home, "conf/instance.json"), ""),
  ],
  [
    "the trust does not verify",
    "state-corrupt",
    (home) => writeFile(join(home, "conf/trust.json"), "{}"),
  ],
  [
    "there is no management credential",
    "home-missing",
    (home) => rm(join(home, "credentials/management"), { recursive: true }),
  ],
  [
    "the management credential is broken",
    "state-corrupt",
    (home) => rm(join(home, "credentials/management/generations/1/key.pem")),
  ],
  [
    "the services port is taken",
    "port-in-use",
    async (_home, site) => {
      await upstream((_request, response) => void response.end(), site.settings.servicesPort);
    },
  ],
];

test.each(starts)(
  "the program ends with one line and the code's status when %s",
  async (_when, code, damage) => {
    const site = await makeSite();
    await damage(site.folder.home, site);
    const started = startProgram(site.folder.home);
    expect(await started.exit).toBe(errorCodes[code].exit);
    expect(started.errors()).toMatch(/^gateway: [^\n]+\n$/);
    expect(started.output()).toBe("");
  },
);

test("the program explains itself when its arguments are wrong", async () => {
  const started = startProgram("", "--what");
  expect(await started.exit).toBe(errorCodes.usage.exit);
  expect(started.errors()).toBe("gateway: usage: gateway --home DIR [--debug]\n");
});

test("what a killed process left in run is passed over when its number is another process's now", async () => {
  const site = await makeSite();
  await mkdir(join(site.folder.home, "run"));
  const record: RunRecord = { pid: 1, startTimeTicks: "-1", managementPort: 1 };
  await writeFile(join(site.folder.home, "run/instance.json"), JSON.stringify(record));
  await Running.start(site);
  expect(recordOf(site).pid).toBe(process.pid);
});

test("a connection that never begins its handshake does not keep the instance from ending", async () => {
  const running = await Running.start(await makeSite(), { drainTimes });
  const socket = connect(running.servicesPort, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  await running.gateway.stop();
});
