import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../test/support/memory-store.ts";
import { LeaseCandidate, type Leadership } from "./leadership.ts";
import type { Store } from "./ports.ts";

const leaseMs = 5_000;

/** A clock of one's own for each candidate: each goes on only when it is told to. */
function testClock() {
  let monotonicMs = 0;
  return {
    nowMs: () => 1_790_000_000_000,
    monotonicMs: () => monotonicMs,
    pass: (ms: number): void => {
      monotonicMs += ms;
    },
  };
}

function candidates(count: number) {
  const store: Store = new MemoryStore(testClock());
  return Array.from({ length: count }, (_, n) => {
    const clock = testClock();
    const candidate = new LeaseCandidate({
      store,
      clock,
      holder: `nodemanager-${n + 1}`,
      leaseMs,
      isAlone: () => false,
    });
    return { store, clock, candidate };
  });
}

function requireLease(store: Store, leadership: Leadership | null): Promise<void> {
  const { lease, fencingToken } = leadership ?? { lease: "leader", fencingToken: -1 };
  return store.note((tx) => tx.leases.require(lease, fencingToken));
}

describe("LeaseCandidate", () => {
  test("claims a lease that nobody ever held, and leads while it renews it", async () => {
    const [one] = candidates(1);
    await one?.candidate.look();
    expect(one?.candidate.leadership).toEqual({ lease: "leader", fencingToken: 1 });
    for (let i = 0; i < 20; i++) {
      one?.clock.pass(leaseMs - 1);
      await one?.candidate.look();
      expect(one?.candidate.leadership).toEqual({ lease: "leader", fencingToken: 1 });
    }
  });

  test("does not lead any more one lease after its last renewal, whatever the store says", async () => {
    const [one] = candidates(1);
    await one?.candidate.look();
    one?.clock.pass(leaseMs);
    expect(one?.candidate.leadership).toBeNull();
  });

  test("does not claim what is renewed, however long it looks", async () => {
    const [leader, other] = candidates(2);
    await leader?.candidate.look();
    for (let i = 0; i < 20; i++) {
      other?.clock.pass(leaseMs * 0.9);
      await other?.candidate.look();
      leader?.clock.pass(1_000);
      await leader?.candidate.look();
    }
    expect(other?.candidate.leadership).toBeNull();
  });

  test("claims only after one full lease on its own clock without a renewal", async () => {
    const [leader, other] = candidates(2);
    await leader?.candidate.look();
    await other?.candidate.look();
    // Its own clock alone decides: the leader's may have gone far.
    leader?.clock.pass(leaseMs * 10);
    other?.clock.pass(leaseMs - 1);
    await other?.candidate.look();
    expect(other?.candidate.leadership).toBeNull();
    other?.clock.pass(1);
    await other?.candidate.look();
    expect(other?.candidate.leadership).toEqual({ lease: "leader", fencingToken: 2 });
  });

  test("writes nothing more as a leader after another claimed, though it was stopped meanwhile", async () => {
    const [leader, other] = candidates(2);
    await leader?.candidate.look();
    const stopped = leader?.candidate.leadership ?? null;
    await other?.candidate.look();
    other?.clock.pass(leaseMs);
    await other?.candidate.look();
    if (leader === undefined || other === undefined) throw new Error("there are two");
    expect(leader.candidate.leadership).toEqual(stopped);
    await expect(requireLease(leader.store, stopped)).rejects.toMatchObject({ code: "not-leader" });
    await requireLease(other.store, other.candidate.leadership);
    await leader.candidate.look();
    expect(leader.candidate.leadership).toBeNull();
  });

  test("is the only one of several that claim at the same time", async () => {
    const all = candidates(4);
    await all[0]?.candidate.look();
    for (const { candidate } of all.slice(1)) await candidate.look();
    for (const { clock } of all) clock.pass(leaseMs);
    await Promise.all(all.slice(1).map(({ candidate }) => candidate.look()));
    expect(all.filter(({ candidate }) => candidate.leadership !== null)).toHaveLength(1);
  });

  test("claims at once where nobody else can hold the lease", async () => {
    const store = new MemoryStore(testClock());
    const of = { store, clock: testClock(), holder: "nodemanager-1", leaseMs, isAlone: () => true };
    await new LeaseCandidate(of).look();
    const restarted = new LeaseCandidate(of);
    await restarted.look();
    expect(restarted.leadership).toEqual({ lease: "leader", fencingToken: 2 });
  });
});
