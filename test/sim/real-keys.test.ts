import { expect, test } from "vitest";
import { play, type Scenario } from "./scenario.ts";

/** Certificates, requests and envelopes signed and verified for real: slow, so a few. */
const base: Scenario = {
  seed: 1,
  signing: "real",
  hosts: 3,
  instances: 2,
  relyingParties: 1,
  crossCertificates: true,
  faults: { loss: 0.05, repeat: 0.05, delayMsMax: 2_000 },
  crashes: 0.002,
  deeds: [
    { do: "rotate", usages: ["management", "traffic"], observeSeconds: 1, afterMs: 100 },
    { do: "create-instance", which: 1, afterMs: 4_000 },
    { do: "renewals-come-due", which: 0, afterMs: 4_000 },
  ],
};

test.each<[string, Scenario, string]>([
  ["a rotation completes", base, "completed"],
  [
    "it completes when the old CA cannot cross-sign",
    { ...base, crossCertificates: false, seed: 2 },
    "completed",
  ],
  [
    "a rotation goes back",
    { ...base, seed: 3, deeds: [...base.deeds, { do: "roll-back", afterMs: 6_000 }] },
    "rolled-back",
  ],
])("with real keys and signatures %s", async (_, scenario, status) => {
  expect((await play(scenario)).statuses).toEqual([status]);
});
