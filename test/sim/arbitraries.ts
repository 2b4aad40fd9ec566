import fc from "fast-check";
import type { AuthorityUsage } from "../../src/domain/index.ts";
import type { Deed } from "./people.ts";
import type { Scenario } from "./scenario.ts";

const usages = fc.constantFrom<readonly AuthorityUsage[]>(
  ["management"],
  ["traffic"],
  ["management", "traffic"],
);
const which = fc.nat(5);

const rotate = fc.record({
  do: fc.constant("rotate" as const),
  usages,
  observeSeconds: fc.constantFrom(0, 3),
});

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: rotate },
  { weight: 1, arbitrary: fc.constant({ do: "replace-leaves" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("pause", "resume", "roll-back", "roll-back", "join-host"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "create-instance",
        "delete-instance",
        "toggle-instance",
        "renewals-come-due",
        "renewals-come-due",
        "revoke",
        "revoke",
        "waive",
        "delete-host",
      ),
      which,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("host-leaves" as const),
      which,
      forMs: fc.constantFrom(1_000, 8_000, 40_000),
    }),
  },
);

/** Histories that begin with a rotation; whatever else happens, happens within it or after it. */
export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.nat(0xffff_ffff),
  hosts: fc.integer({ min: 1, max: 3 }),
  instances: fc.integer({ min: 0, max: 3 }),
  relyingParties: fc.integer({ min: 0, max: 1 }),
  crossCertificates: fc.boolean(),
  listenerLagMsMax: fc.constantFrom(0, 400, 3_000),
  faults: fc.record({
    loss: fc.constantFrom(0, 0, 0.05, 0.2, 0.5),
    repeat: fc.constantFrom(0, 0.05),
    delayMsMax: fc.constantFrom(0, 100, 3_000, 9_000),
  }),
  crashes: fc.constantFrom(0, 0.002, 0.01),
  deeds: fc
    .tuple(
      rotate,
      fc.array(fc.tuple(deed, fc.constantFrom(0, 300, 2_000, 6_000, 20_000)), { maxLength: 6 }),
    )
    .map(([first, rest]) => [
      { ...first, afterMs: 100 },
      ...rest.map(([next, afterMs]) => ({ ...next, afterMs })),
    ]),
});
