import { fork, spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { until } from "../../src/demo/until.ts";
import { homeLayout } from "../../src/domain/index.ts";
import { readMark } from "../../src/transport/index.ts";
import { joinHost, type BenchDomain } from "../domain/bench-domain.ts";
import type { AgentOrder } from "./agent-process.ts";
import { freePorts } from "./ports.ts";

export const trafficName = "gateway.bench.test";

/** Joins in a minute that an Admin Node Manager takes from one address: see `src/admin/server.ts`. */
const joinsPerMinuteMax = 100;
const readyWithinMs = 600_000;
const nodeProgram = fileURLToPath(new URL("../../dist/node/main.js", import.meta.url));

/** A fleet that runs: real Node Managers and instances, in a few processes. */
export interface Fleet {
  readonly agents: readonly ChildProcess[];
  readonly servicesPorts: readonly number[];
  readonly hosts: number;
}

/**
 * Joins hosts, creates and starts instances, and runs their Node Managers in `agents` processes.
 * Resolves when every instance runs and presents its certificates.
 */
export async function startFleet(
  domain: BenchDomain,
  folder: string,
  size: { instances: number; instancesPerHost: number; agents: number },
): Promise<Fleet> {
  const hosts = Math.ceil(size.instances / size.instancesPerHost);
  const homes = Array.from({ length: hosts }, (_, i) => `${folder}/host-${i + 2}`);
  const ports = await freePorts(2 * size.instances + hosts);
  const nodePorts = ports.splice(2 * size.instances);
  const hostIds: string[] = [];
  for (const [i, home] of homes.entries()) {
    if (i > 0 && i % joinsPerMinuteMax === 0) await pause(60_000);
    const name = `host-${i + 2}.bench`;
    hostIds.push(await joinHost(domain, { home, name, port: nodePorts[i] ?? 0 }));
  }
  for (let i = 0; i < size.instances; i++) {
    const hostId = hostIds[i % hosts] ?? "";
    await createInstance(domain, hostId, i, ports);
  }
  const agents = [await startAdminNode(domain)];
  const agentCount = Math.min(size.agents, hosts);
  for (let i = 0; i < agentCount; i++)
    agents.push(startAgent({ homes: homes.filter((_, at) => at % agentCount === i) }));
  const died = agents.map(
    (agent) =>
      new Promise<never>((_, reject) =>
        agent.once("exit", (status) => reject(new Error(`an agent ended with status ${status}`))),
      ),
  );
  await Promise.race([ready(domain, size.instances), ...died]);
  for (const unwatched of died) unwatched.catch(() => undefined);
  const servicesPorts = ports.filter((_, i) => i % 2 === 1);
  return { agents, servicesPorts, hosts };
}

export async function stopFleet({ agents }: Fleet): Promise<void> {
  await Promise.all(agents.map(stopProcess));
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.connected) child.disconnect();
  else child.kill("SIGTERM");
  await ended;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function createInstance(
  { call }: BenchDomain,
  hostId: string,
  i: number,
  ports: readonly number[],
): Promise<void> {
  const { id } = await call("createInstance", {
    body: {
      name: `gateway-${i + 1}`,
      group: "gateways",
      hostId: hostId as never,
      managementPort: ports[2 * i] ?? 0,
      servicesPort: ports[2 * i + 1] ?? 0,
      configuration: { dnsNames: [trafficName], routes: [] },
    },
  });
  await call("setInstanceEnabled", { params: { id }, body: { enabled: true } });
}

/** The Node Manager beside the Admin Node Manager, which it adopts. */
async function startAdminNode({ adminHome, admin }: BenchDomain): Promise<ChildProcess> {
  const { run, logs } = homeLayout(adminHome);
  await until("the Admin Node Manager left its mark", async () => {
    if ((await readMark(`${run}/admin.json`))?.pid !== admin.pid) throw new Error("not yet");
  });
  const log = openSync(`${logs}/node.log`, "a", 0o600);
  const child = spawn(process.execPath, [nodeProgram, "--home", adminHome], {
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  return child;
}

function startAgent(order: AgentOrder): ChildProcess {
  const child = fork(new URL("agent-process.ts", import.meta.url), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.send(order);
  return child;
}

async function ready({ call }: BenchDomain, instances: number): Promise<void> {
  await until(
    "every instance runs and presents its certificates",
    async () => {
      const { groups } = await call("getTopology");
      const { credentials } = await call("listCredentials");
      const running = groups
        .flatMap((group) => group.instances)
        .filter((instance) => instance.state === "running").length;
      const shown = credentials.filter((credential) => credential.onWire).length;
      if (running === instances && shown === credentials.length) return;
      await pause(1_000);
      throw new Error(`${running} run, ${shown} certificates of ${credentials.length} are shown`);
    },
    readyWithinMs,
  );
}
