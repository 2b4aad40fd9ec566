import { expect, test } from "vitest";
import type { StoreTransaction } from "../../../src/control/index.ts";
import { authority, credential, entry, host, issuance, rollout } from "./examples.ts";
import { openStore, type StoreHarness } from "./harness.ts";

export function feedTests(harness: StoreHarness): void {
  test("the revision rises by one with every write that changes desired state", async () => {
    const store = await openStore(harness);
    const changes: readonly ((tx: StoreTransaction) => Promise<void>)[] = [
      async (tx) => {
        await tx.topology.putHost(host(1));
        await tx.topology.putHost(host(2));
      },
      (tx) => tx.authorities.put(authority(1)),
      (tx) => tx.credentials.put(credential("instance-1")),
      (tx) =>
        tx.trust.append({
          epoch: 1,
          hash: "h",
          envelope: { payload: "p", signature: "s", keyId: "k" },
        }),
      (tx) => tx.rollouts.put(rollout("r")),
    ];
    let revision = await store.revision();
    for (const change of changes) {
      await store.write(entry, async (tx) => {
        await change(tx);
        expect(await tx.revision()).toBe(revision);
      });
      expect(await store.revision()).toBe(++revision);
    }
  });

  test("the revision stays when nothing desired has changed", async () => {
    const store = await openStore(harness);
    const before = await store.revision();
    await store.write(entry, async (tx) => {
      await tx.issuances.append(issuance("01"));
      await tx.accounts.putUser({ name: "u", role: "operator", passwordHash: "x", createdAtMs: 1 });
    });
    await store.note((tx) => tx.leases.claim("leader", "a", undefined));
    expect(await store.revision()).toBe(before);
  });

  test("one who waits is woken when the revision rises, with the new one", async () => {
    const store = await openStore(harness);
    const before = await store.revision();
    const waiting = store.waitForRevision(before, 60_000);
    const start = performance.now();
    await store.write(entry, (tx) => tx.issuances.append(issuance("01")));
    await store.write(entry, (tx) => tx.topology.putHost(host(1)));
    expect(await waiting).toBe(before + 1);
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(await store.waitForRevision(before, 60_000)).toBe(before + 1);
  });

  test("one who waits gets the present revision at the deadline and when the store closes", async () => {
    const store = await openStore(harness);
    const before = await store.revision();
    expect(await store.waitForRevision(before, 20)).toBe(before);
    const waiting = store.waitForRevision(before, 60_000);
    await store.close();
    expect(await waiting).toBe(before);
  });
}
