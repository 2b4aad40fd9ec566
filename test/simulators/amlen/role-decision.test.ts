import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideRole, type PairHello, type Role } from "./role-decision.ts";

const fresh: PairHello = {
  type: "hello",
  role: "UNSYNC",
  nodeId: "a",
  group: "pair",
  startupMode: "AutoDetect",
  preferredPrimary: false,
  disableAutoResync: false,
  splitBrainPolicy: 0,
  connections: 0,
  heartbeatTimeout: 10,
  store: { empty: true, wasPrimary: false, lineage: "a", session: 0, partial: false },
  mustMatch: { "Store.TotalMemSizeMB": 0 },
  serverName: "a",
  replication: { host: "127.0.0.1", port: 1 },
};

const hello = (changes: Partial<PairHello> = {}): PairHello => ({ ...fresh, ...changes });
const withStore = (changes: Partial<PairHello["store"]>): PairHello =>
  hello({ store: { ...fresh.store, empty: false, ...changes } });

const anyHello = (nodeId: string): fc.Arbitrary<PairHello> =>
  fc
    .record({
      role: fc.constantFrom<Role>("UNSYNC", "PRIMARY"),
      group: fc.constantFrom("pair", "pair", "other"),
      startupMode: fc.constantFrom("AutoDetect" as const, "StandAlone" as const),
      preferredPrimary: fc.boolean(),
      disableAutoResync: fc.boolean(),
      splitBrainPolicy: fc.constantFrom(0, 1),
      connections: fc.nat(2),
      store: fc.record({
        empty: fc.boolean(),
        wasPrimary: fc.boolean(),
        lineage: fc.constantFrom("one", "two"),
        session: fc.nat(2),
        partial: fc.boolean(),
      }),
    })
    .map((changes) => hello({ ...changes, nodeId }));

test("both members' decisions fit each other, whatever they say", () => {
  const fitting = ["alone+error", "alone+restart-clean", "error+error", "primary+standby"];
  fc.assert(
    fc.property(anyHello("a"), anyHello("b"), (a, b) => {
      const outcomes = [decideRole(a, b).outcome, decideRole(b, a).outcome];
      expect(fitting).toContain(outcomes.sort().join("+"));
    }),
  );
});

describe("of two new members", () => {
  test.each<[string, PairHello, PairHello]>([
    ["the one with data", withStore({}), hello({ preferredPrimary: true, nodeId: "b" })],
    ["the preferred one", hello({ preferredPrimary: true }), hello({ nodeId: "b" })],
    ["the one with the higher node id", hello({ nodeId: "c" }), hello({ nodeId: "b" })],
    ["the one that was primary last", withStore({ session: 2 }), withStore({ wasPrimary: true })],
    ["the one that was primary", withStore({ wasPrimary: true }), withStore({})],
  ])("%s becomes primary", (_, first, second) => {
    expect(decideRole(first, { ...second, nodeId: "b" })).toEqual({ outcome: "primary" });
  });

  test.each<[string, PairHello, PairHello, number]>([
    ["with stores that never met", withStore({}), withStore({ lineage: "b" }), 5],
    [
      "both broken off while they synchronised",
      withStore({ partial: true }),
      withStore({ partial: true }),
      4,
    ],
    ["one of them StandAlone", hello({ startupMode: "StandAlone" }), hello(), 3],
    ["of two groups", hello(), hello({ group: "other" }), 7],
    ["with stores of two sizes", hello(), hello({ mustMatch: { "Store.TotalMemSizeMB": 1 } }), 1],
  ])("%s both stop with a reason", (_, first, second, reason) => {
    const peer = { ...second, nodeId: "b" };
    expect(decideRole(first, peer)).toMatchObject({ outcome: "error", reason });
    expect(decideRole(peer, first)).toMatchObject({ outcome: "error", reason });
  });
});

test("a primary stays what it is while one that may not join stops", () => {
  const primary = hello({ role: "PRIMARY" });
  const joining = hello({ nodeId: "b", disableAutoResync: true });
  expect(decideRole(primary, joining)).toEqual({ outcome: "alone" });
  expect(decideRole(joining, primary)).toMatchObject({ outcome: "error", reason: 6 });
});
