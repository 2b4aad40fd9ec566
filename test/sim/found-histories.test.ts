import { test } from "vitest";
import { play, type Scenario } from "./scenario.ts";

const calm: Scenario = {
  seed: 0,
  hosts: 1,
  instances: 0,
  relyingParties: 0,
  crossCertificates: false,
  listenerLagMsMax: 0,
  faults: { loss: 0, repeat: 0, delayMsMax: 0 },
  crashes: 0.002,
  deeds: [],
};

/** Histories in which something once went dark, as they were found and shrunk. */
const found: readonly { readonly what: string; readonly deeds: Scenario["deeds"] }[] = [
  {
    what: "the key that a rollback turned away from was seen, and counted as the presented one when the kept one was renewed",
    deeds: [
      { do: "replace-leaves", afterMs: 6000 },
      { do: "roll-back", afterMs: 2000 },
      { do: "renewals-come-due", which: 0, afterMs: 300 },
    ],
  },
];

test.each(found)("nothing goes dark any more where $what", async ({ deeds }) => {
  // The moment decides: a seed is another order of what happens at once.
  for (let seed = 0; seed < 100; seed++) await play({ ...calm, seed, deeds });
});
