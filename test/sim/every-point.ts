import { expect } from "vitest";
import { noFaults } from "./network.ts";
import { play, type Scenario } from "./scenario.ts";

/** One Admin Node Manager, two hosts, two instances, and both CAs rotated at once. */
export function smallRotation(crossCertificates: boolean): Scenario {
  return {
    seed: 11,
    hosts: 2,
    instances: 2,
    relyingParties: 0,
    crossCertificates,
    listenerLagMsMax: 50,
    faults: noFaults,
    crashes: 0,
    deeds: [{ do: "rotate", usages: ["management", "traffic"], observeSeconds: 0, afterMs: 100 }],
  };
}

/** Plays the scenario once for every effect in it, with a crash of the process that is about to act. */
export async function crashEverywhere(scenario: Scenario): Promise<void> {
  const { effects } = await play(scenario);
  expect(effects).toBeGreaterThan(200);
  for (let crashAt = 1; crashAt <= effects; crashAt++) {
    const { statuses } = await play(scenario, { crashAt });
    expect(statuses, `crash at effect ${crashAt}`).toEqual(["completed"]);
  }
}

/** Plays the scenario once for every effect in it, and takes the rollout back at that effect. */
export async function rollBackEverywhere(scenario: Scenario): Promise<void> {
  const { effects } = await play(scenario);
  const ends = { completed: 0, "rolled-back": 0 };
  for (let rollBackAt = 1; rollBackAt <= effects; rollBackAt++) {
    const [status] = (await play(scenario, { rollBackAt })).statuses;
    expect(ends, `rolled back at effect ${rollBackAt}`).toHaveProperty(status ?? "nothing");
    ends[status as keyof typeof ends] += 1;
  }
  // From every phase before retire it goes back; after that it is refused, and completes.
  expect(ends["rolled-back"]).toBeGreaterThan(effects / 3);
  expect(ends.completed).toBeGreaterThan(0);
}
