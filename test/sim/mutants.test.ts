import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noFaults } from "./network.ts";
import { play, type Scenario } from "./scenario.ts";
import type { Mutant } from "./world.ts";

/** Plain rotations without faults; the mutant is all that is wrong. */
function rotations(mutant: Mutant | null): fc.Arbitrary<Scenario> {
  return fc.record({
    seed: fc.nat(0xffff_ffff),
    hosts: fc.constantFrom(2, 3),
    instances: fc.constantFrom(1, 2),
    relyingParties: fc.constantFrom(0, 1),
    crossCertificates: fc.constant(false),
    // A listener that says it has loaded trust long before it verifies with it.
    listenerLagMsMax: fc.constant(60_000),
    faults: fc.constant(noFaults),
    crashes: fc.constant(0),
    mutant: fc.constant(mutant),
    deeds: fc.constant([
      {
        do: "rotate" as const,
        usages: ["management", "traffic"] as const,
        observeSeconds: 0,
        afterMs: 100,
      },
    ]),
  });
}

function check(mutant: Mutant | null): Promise<fc.RunDetails<[Scenario]>> {
  const property = fc.asyncProperty(rotations(mutant), async (scenario) => {
    await play(scenario);
  });
  return fc.check(property, { numRuns: 40, endOnFailure: true });
}

describe("the safety property", () => {
  test.each<[Mutant, string, RegExp]>([
    ["gates-removed", "steps begin without their gates", /not trusted/],
    [
      "resumed-sessions",
      "a resumed session repeats a verdict from before the epoch",
      /chain, the chain is not trusted/,
    ],
    [
      "agent-answers-for-others",
      "a probe proves only the agent, not the process that verifies",
      /chain, the chain is not trusted/,
    ],
    [
      "old-connections-live",
      "connections from before a retire are allowed to live",
      /over a connection that is not trusted any more/,
    ],
  ])("fails for the mutant %s: %s", async (mutant, _, message) => {
    const { failed, errorInstance } = await check(mutant);
    expect(failed).toBe(true);
    expect(String(errorInstance)).toMatch(message);
  });

  test("holds for the same rotations when nothing is broken", async () => {
    const { failed, errorInstance } = await check(null);
    expect(failed, String(errorInstance)).toBe(false);
  });
});
