import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../scripts/ensure.mjs";
import type { FaultFigures } from "../test/support/fault-run.ts";
import { tableOf } from "./results.ts";

/** Runs the scenario with faults, and shows what each fault cost. Needs root. */
export async function benchFaults(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "gatehouse-bench-"));
  const file = join(folder, "figures");
  try {
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const args = [vitest, "run", "--project", "scenarios", "test/scenarios/faults.test.ts"];
    const env = { ...process.env, GATEHOUSE_FAULT_FIGURES: file };
    const { status } = spawnSync(process.execPath, args, {
      cwd: root,
      env,
      stdio: ["ignore", 2, 2],
    });
    if (status !== 0 || !existsSync(file)) throw new Error("the scenario with faults failed");
    const lines = readFileSync(file, "utf8").trim().split("\n");
    return tableOf(lines.map((line) => rowOf(JSON.parse(line) as FaultFigures)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rowOf(figures: FaultFigures): Readonly<Record<string, string | number>> {
  return {
    fault: figures.fault,
    "in phase": figures.phase,
    "without a leader s": figures.withoutLeader.toFixed(1),
    "without issuance s": figures.withoutIssuance.toFixed(1),
    "until healed s": figures.untilHealed.toFixed(1),
    requests: figures.requests,
    failed: figures.failedRequests,
  };
}
