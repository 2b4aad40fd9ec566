import fc from "fast-check";
import { expect } from "vitest";
import { scenarios } from "./arbitraries.ts";
import { play } from "./scenario.ts";

/** `GATEHOUSE_SIM_RUNS` asks for more, or fewer. */
export const defaultRuns = Number(process.env["GATEHOUSE_SIM_RUNS"] ?? 800);

/** A slow machine plays fewer histories rather than failing. */
export const msPerRunMax = 75;

/**
 * Plays `runs` generated histories. A failure prints fast-check's seed and path, the shrunk
 * scenario, what broke, and the last steps before it (`GATEHOUSE_SIM_HISTORY` of them).
 */
export async function playRandomHistories(runs: number): Promise<void> {
  const property = fc.asyncProperty(scenarios, async (scenario) => {
    const { statuses } = await play(scenario);
    for (const status of statuses) expect(["completed", "rolled-back"]).toContain(status);
  });
  await fc.assert(property, { numRuns: runs, interruptAfterTimeLimit: runs * msPerRunMax });
}
