import { expect, test } from "vitest";
import { DomainError } from "../../../src/kit/index.ts";
import type { StoreTransaction } from "../../../src/control/index.ts";
import { authority, credential, entry, host, hostId, issuance } from "./examples.ts";
import { openStore, type StoreHarness } from "./harness.ts";

export function transactionTests(harness: StoreHarness): void {
  test("a write leaves nothing behind when its work throws", async () => {
    const store = await openStore(harness);
    const before = await store.revision();
    const failing = store.write(entry, async (tx) => {
      await tx.topology.putHost(host(1));
      await tx.issuances.append(issuance("01"));
      throw new DomainError("plan-stale", "it changed");
    });
    await expect(failing).rejects.toMatchObject({ code: "plan-stale" });
    expect(await store.revision()).toBe(before);
    await store.read(async (view) => {
      expect(await view.topology.hosts()).toEqual([]);
      expect(await view.issuances.count()).toBe(0);
      expect(await view.audit.page({}, 10)).toEqual([]);
    });
  });

  test("a transaction that fails takes none of those with it that ran beside it", async () => {
    const store = await openStore(harness);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) =>
        store.write({ ...entry, subject: `host-${n}` }, async (tx) => {
          await tx.topology.putHost(host(n));
          if (n % 3 === 1) throw new DomainError("forbidden", "no");
          if (n % 3 === 2)
            for (const serial of ["01", "01"]) await tx.issuances.append(issuance(serial));
        }),
      ),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(
      outcomes.map((_, n) => (n % 3 === 0 ? "fulfilled" : "rejected")),
    );
    const ids = outcomes.flatMap((_, n) => (n % 3 === 0 ? [`host-${n}`] : []));
    expect((await store.read((view) => view.topology.hosts())).map(({ id }) => id)).toEqual(ids);
    expect(
      (await store.read((view) => view.audit.page({}, 99)))
        .map(({ subject }) => subject)
        .toSorted(),
    ).toEqual(ids.toSorted());
    expect(await store.read((view) => view.audit.verify())).toMatchObject({
      ok: true,
      records: 10,
    });
  });

  test("a transaction sees its own changes, and readers do not before it has ended", async () => {
    const store = await openStore(harness);
    await store.write(entry, async (tx) => {
      await tx.topology.putHost(host(1));
      expect(await tx.topology.host(hostId(1))).toEqual(host(1));
      expect(await store.read((view) => view.topology.host(hostId(1)))).toBeUndefined();
    });
    expect(await store.read((view) => view.topology.host(hostId(1)))).toEqual(host(1));
  });

  test("no increment is lost when many transactions read and write the same row", async () => {
    const store = await openStore(harness);
    const { id } = credential("instance-1");
    await store.write(entry, (tx) => tx.credentials.put(credential("instance-1")));
    await Promise.all(
      Array.from({ length: 50 }, () =>
        store.write(entry, async (tx) => {
          const found = await tx.credentials.get(id);
          await new Promise((resolve) => setImmediate(resolve));
          await tx.credentials.putRecorded({
            id,
            lastSequence: (found?.lastSequence ?? 0) + 1,
            recorded: [],
          });
        }),
      ),
    );
    expect(await store.read((view) => view.credentials.get(id))).toMatchObject({
      lastSequence: 50,
    });
  });

  test("two transactions that each read what the other writes do not both succeed on old data", async () => {
    const store = await openStore(harness);
    const put = async (tx: StoreTransaction, n: number): Promise<void> => {
      if ((await tx.authorities.all()).length > 0)
        throw new DomainError("conflict", "there is one");
      await new Promise((resolve) => setImmediate(resolve));
      await tx.authorities.put(authority(n, { status: "next" }));
    };
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((n) => store.write(entry, (tx) => put(tx, n))),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await store.read((view) => view.authorities.all())).toHaveLength(1);
  });

  test("a transaction that does not end is rolled back at its deadline, and the next ones go on", async () => {
    const store = await openStore(harness, undefined, { transactionMsMax: 100 });
    let kept: StoreTransaction | undefined;
    const hanging = store.write(entry, async (tx) => {
      kept = tx;
      await tx.topology.nextNumber("host", 1);
      await tx.topology.putHost(host(1));
      await new Promise(() => {});
    });
    const next = store.write(entry, (tx) => tx.topology.putHost(host(2)));
    await expect(hanging).rejects.toMatchObject({ code: "timeout" });
    await next;
    expect((await store.read((view) => view.topology.hosts())).map(({ id }) => id)).toEqual([
      "host-2",
    ]);
    await expect(kept?.topology.hosts()).rejects.toThrow(/is over/);
    await expect(kept?.topology.putHost(host(3))).rejects.toThrow(/is over/);
  });

  test("a note that changes desired state is refused", async () => {
    const store = await openStore(harness);
    await expect(store.note((tx) => tx.topology.putHost(host(1)))).rejects.toThrow(/audit record/);
    expect(await store.read((view) => view.topology.hosts())).toEqual([]);
  });

  test("closing waits for what was submitted and refuses what comes later", async () => {
    const place = await harness.place();
    const store = await openStore(harness, place);
    const writes = [1, 2, 3].map((n) => store.write(entry, (tx) => tx.topology.putHost(host(n))));
    await store.close();
    await Promise.all(writes);
    await expect(store.write(entry, async () => {})).rejects.toMatchObject({ code: "not-running" });
    const again = await openStore(harness, place);
    expect(await again.read((view) => view.topology.hosts())).toHaveLength(3);
  });
}
