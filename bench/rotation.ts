import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { homeLayout } from "../src/domain/index.ts";
import { startDomain, stopDomain, type BenchDomain } from "./domain/bench-domain.ts";
import { signaturesPerCpuSecond, syncsPerSecond } from "./machine.ts";
import type { BenchOptions } from "./options.ts";
import { tableOf } from "./results.ts";
import { startFleet, stopFleet } from "./rotation/fleet.ts";
import { followRollout, phaseSeconds, startRotation, totalSeconds } from "./rotation/follow.ts";
import { startProber, stopProber } from "./rotation/prober.ts";
import { UsageSampler } from "./rotation/usage-sampler.ts";

type Row = Readonly<Record<string, string | number>>;

/** Rotates both CAs of fleets of real Node Managers and instances, under handshakes. */
export async function benchRotation(options: BenchOptions): Promise<string> {
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const instances of options.instances) {
    const folder = mkdtempSync(join(tmpdir(), "gatehouse-bench-"));
    try {
      notes.push(
        `Before ${instances}: ${Math.round(signaturesPerCpuSecond())} P-256 signatures per CPU second, ${syncsPerSecond(folder)} fdatasync per second.`,
      );
      rows.push(await rotate(folder, instances, options, notes));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return [tableOf(rows), ...notes].join("\n\n");
}

async function rotate(
  folder: string,
  instances: number,
  options: BenchOptions,
  notes: string[],
): Promise<Row> {
  const { instancesPerHost, agents: agentCount, nodeOptions } = options;
  const domain = await startDomain(folder, nodeOptions);
  const begunMs = performance.now();
  const fleet = await startFleet(domain, folder, {
    instances,
    instancesPerHost,
    agents: agentCount,
  });
  const setUpSeconds = (performance.now() - begunMs) / 1000;
  process.stderr.write(`${instances} instances run after ${setUpSeconds.toFixed(0)} s\n`);
  const prober = await startProber(domain, fleet);
  try {
    const before = issuedBy(domain);
    const admin = new UsageSampler([domain.admin.pid]);
    const agents = new UsageSampler(fleet.agents.flatMap((agent) => agent.pid ?? []));
    const view = await followRollout(domain, await startRotation(domain));
    const [adminUsage, agentUsage] = [admin.end(), agents.end()];
    const after = issuedBy(domain);
    const counts = await stopProber(prober);
    if (counts.lastFailure !== null)
      notes.push(`Last failed handshake of ${instances}: ${counts.lastFailure}`);
    return {
      instances,
      hosts: fleet.hosts,
      "rotation s": totalSeconds(view).toFixed(1),
      ...phaseSeconds(view),
      steps: view.rollout.done.length,
      "leaves issued": after.leaf - before.leaf,
      "probes issued": after.probe - before.probe,
      handshakes: counts.handshakes,
      failed: counts.failed,
      "ANM CPU s": adminUsage.cpuSeconds.toFixed(1),
      "ANM MB": Math.round(adminUsage.residentMbMax),
      "agents CPU s": agentUsage.cpuSeconds.toFixed(1),
      "agents MB": Math.round(agentUsage.residentMbMax),
    };
  } finally {
    prober.kill();
    await stopFleet(fleet);
    await stopDomain(domain);
  }
}

function issuedBy({ adminHome }: BenchDomain): { leaf: number; probe: number } {
  const db = new Database(`${homeLayout(adminHome).store}/gatehouse.db`, { readonly: true });
  const count = (kind: string): number =>
    db
      .prepare<[string], { n: number }>("select count(*) as n from issuances where kind = ?")
      .get(kind)?.n ?? 0;
  const counts = { leaf: count("leaf"), probe: count("probe") };
  db.close();
  return counts;
}
