import { expect, test } from "vitest";
import type { HostId, PlanId, RelyingPartyId, RolloutId } from "../../../src/kit/index.ts";
import type { HostObservation, RelyingPartyObservation } from "../../../src/domain/index.ts";
import type { TrustLink } from "../../../src/control/index.ts";
import { entry, hostId, plan, rollout } from "./examples.ts";
import { openStore, type StoreHarness } from "./harness.ts";

const link = (epoch: number): TrustLink => ({
  epoch,
  hash: `h${epoch}`,
  envelope: { payload: "p", signature: "s", keyId: "k" },
});

export function rolloutTests(harness: StoreHarness): void {
  test("trust links follow each other without a gap", async () => {
    const store = await openStore(harness);
    expect(await store.read((view) => view.trust.head())).toBeUndefined();
    await store.write(entry, async (tx) => {
      await tx.trust.append(link(1));
      await tx.trust.append(link(2));
    });
    for (const epoch of [1, 2, 4]) {
      await expect(store.write(entry, (tx) => tx.trust.append(link(epoch)))).rejects.toMatchObject({
        code: "conflict",
      });
    }
    await store.write(entry, (tx) => tx.trust.append(link(3)));
    await store.read(async (view) => {
      expect(await view.trust.head()).toEqual(link(3));
      expect(await view.trust.after(0, 2)).toEqual([link(1), link(2)]);
      expect(await view.trust.after(2, 9)).toEqual([link(3)]);
    });
  });

  test("plans are kept outside the feed, newest first", async () => {
    const store = await openStore(harness);
    const before = await store.revision();
    for (const name of ["b", "a", "c"])
      await store.write(entry, (tx) => tx.rollouts.putPlan(plan(name)));
    expect(await store.revision()).toBe(before);
    await store.read(async (view) => {
      expect((await view.rollouts.plans(2)).map(({ id }) => id)).toEqual(["c", "a"]);
      expect(await view.rollouts.plan("b" as PlanId)).toEqual(plan("b"));
      expect(await view.rollouts.plan("x" as PlanId)).toBeUndefined();
    });
  });

  test("a rollout is refused when another version was written meanwhile", async () => {
    const store = await openStore(harness);
    const put = (version: number): Promise<void> =>
      store.write(entry, (tx) => tx.rollouts.put(rollout("r", { version })));
    await expect(put(2)).rejects.toMatchObject({ code: "conflict" });
    await put(1);
    await expect(put(1)).rejects.toMatchObject({ code: "conflict" });
    await put(2);
    await expect(put(2)).rejects.toMatchObject({ code: "conflict" });
    expect(await store.read((view) => view.rollouts.get("r" as RolloutId))).toEqual(
      rollout("r", { version: 2 }),
    );
    const racing = await Promise.allSettled([put(3), put(3), put(3)]);
    expect(racing.map(({ status }) => status).toSorted()).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
    ]);
  });

  test("only one open rollout may change trust", async () => {
    const store = await openStore(harness);
    await store.write(entry, (tx) => tx.rollouts.put(rollout("a")));
    const second = store.write(entry, (tx) => tx.rollouts.put(rollout("b")));
    await expect(second).rejects.toMatchObject({ code: "rollout-active" });
    await store.write(entry, (tx) =>
      tx.rollouts.put(rollout("leaves", { kind: "replace-leaves" })),
    );
    await store.write(entry, (tx) =>
      tx.rollouts.put(rollout("a", { version: 2, status: "completed" })),
    );
    await store.write(entry, (tx) => tx.rollouts.put(rollout("b", { status: "paused" })));
    await store.read(async (view) => {
      expect((await view.rollouts.open()).map(({ id }) => id)).toEqual(["leaves", "b"]);
      expect((await view.rollouts.all(2)).map(({ id }) => id)).toEqual(["b", "leaves"]);
      expect(await view.rollouts.get("x" as RolloutId)).toBeUndefined();
    });
  });

  test("observations replace each other whole", async () => {
    const store = await openStore(harness);
    const seen = (id: HostId, bootId: string): HostObservation => ({
      hostId: id,
      bootId,
      receivedAtMs: 1,
      processes: [],
      credentials: [],
      proofs: [],
    });
    const party: RelyingPartyObservation = {
      id: "relying-party-1" as RelyingPartyId,
      receivedAtMs: 1,
      loadedEpoch: 3,
      oldestConnectionEpoch: null,
      proofs: [],
    };
    await store.note(async (tx) => {
      await tx.observations.putHost(seen(hostId(1), "a"));
      await tx.observations.putHost(seen(hostId(2), "a"));
      await tx.observations.putHost(seen(hostId(1), "b"));
      await tx.observations.removeHost(hostId(2));
      await tx.observations.removeHost(hostId(3));
      await tx.observations.putRelyingParty(party);
    });
    await store.read(async (view) => {
      expect(await view.observations.hosts()).toEqual([seen(hostId(1), "b")]);
      expect(await view.observations.host(hostId(1))).toEqual(seen(hostId(1), "b"));
      expect(await view.observations.host(hostId(2))).toBeUndefined();
      expect(await view.observations.relyingParties()).toEqual([party]);
    });
  });
}
