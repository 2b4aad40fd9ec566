import { expect, test } from "vitest";
import type { Issuance } from "../../../src/control/index.ts";
import {
  authority,
  authorityId,
  credential,
  credentialId,
  entry,
  hostId,
  issuance,
} from "./examples.ts";
import { openStore, type StoreHarness } from "./harness.ts";

export function credentialTests(harness: StoreHarness): void {
  test("authorities are found by id and by being current", async () => {
    const store = await openStore(harness);
    await expect(
      store.read((view) => view.authorities.current("management")),
    ).rejects.toMatchObject({ code: "authority-unavailable" });
    await store.write(entry, async (tx) => {
      await tx.authorities.put(authority(1));
      await tx.authorities.put(authority(2, { usage: "traffic" }));
      await tx.authorities.put(authority(3, { status: "next" }));
    });
    await store.read(async (view) => {
      expect(await view.authorities.all()).toEqual([
        authority(1),
        authority(2, { usage: "traffic" }),
        authority(3, { status: "next" }),
      ]);
      expect(await view.authorities.get(authorityId(3))).toEqual(authority(3, { status: "next" }));
      expect(await view.authorities.get(authorityId(9))).toBeUndefined();
      expect((await view.authorities.current("management")).id).toBe("authority-1");
      expect((await view.authorities.current("traffic")).id).toBe("authority-2");
    });
  });

  test("a second current authority of one usage fails the whole transaction", async () => {
    const store = await openStore(harness);
    await store.write(entry, (tx) => tx.authorities.put(authority(1)));
    const second = store.write(entry, async (tx) => {
      await tx.authorities.put(authority(3, { usage: "traffic" }));
      await tx.authorities.put(authority(2));
    });
    await expect(second).rejects.toMatchObject({ code: "conflict" });
    expect(await store.read((view) => view.authorities.all())).toEqual([authority(1)]);
    await store.write(entry, async (tx) => {
      await tx.authorities.put(authority(1, { status: "previous" }));
      await tx.authorities.put(authority(2));
    });
    expect((await store.read((view) => view.authorities.current("management"))).id).toBe(
      "authority-2",
    );
  });

  test("sealed keys are put, replaced, found by host and removed", async () => {
    const store = await openStore(harness);
    const key = (authority: number, host: number, sealed: string) => ({
      authorityId: authorityId(authority),
      hostId: hostId(host),
      sealed,
    });
    const ofHost = (n: number) => store.read((view) => view.sealedKeys.ofHost(hostId(n)));
    await store.write(entry, async (tx) => {
      for (const [authority, host] of [
        [2, 1],
        [1, 1],
        [1, 2],
      ] as const)
        await tx.sealedKeys.put(key(authority, host, "old"));
      await tx.sealedKeys.put(key(1, 1, "new"));
    });
    expect(await ofHost(1)).toEqual([key(1, 1, "new"), key(2, 1, "old")]);
    const before = await store.revision();
    await store.write(entry, (tx) => tx.sealedKeys.removeOfHost(hostId(1)));
    expect(await ofHost(1)).toEqual([]);
    expect(await ofHost(2)).toEqual([key(1, 2, "old")]);
    expect(await store.revision()).toBe(before + 1);
  });

  test("an authority that the version before has written has no holder yet", async () => {
    const store = await openStore(harness);
    const { holders: _none, ...earlier } = authority(1);
    await store.write(entry, (tx) => tx.authorities.put(earlier as never));
    await store.read(async (view) => {
      expect(await view.authorities.all()).toEqual([authority(1)]);
      expect(await view.authorities.get(authorityId(1))).toEqual(authority(1));
      expect(await view.authorities.current("management")).toEqual(authority(1));
    });
  });

  test("credentials are put, found by host, and removed", async () => {
    const store = await openStore(harness);
    const recorded = [
      {
        spki: "s",
        serial: "1",
        sequence: 1,
        authorityId: authorityId(1),
        notBeforeMs: 1,
        notAfterMs: 2,
        confirmed: true,
      },
    ];
    const first = credential("instance-1", { recorded, lastSequence: 1 });
    const second = credential("instance-2", { hostId: hostId(2) });
    await store.write(entry, async (tx) => {
      await tx.credentials.put(first);
      await tx.credentials.put(second);
    });
    await store.read(async (view) => {
      expect(await view.credentials.all()).toEqual([first, second]);
      expect(await view.credentials.ofHost(hostId(2))).toEqual([second]);
      expect(await view.credentials.get(first.id)).toEqual(first);
      expect(await view.credentials.get(credentialId("x"))).toBeUndefined();
    });
    const before = await store.revision();
    await store.write(entry, (tx) => tx.credentials.remove(credentialId("x")));
    expect(await store.revision()).toBe(before);
    await store.write(entry, (tx) => tx.credentials.remove(first.id));
    expect(await store.revision()).toBe(before + 1);
    expect(await store.read((view) => view.credentials.all())).toEqual([second]);
  });

  test("recording a key changes only the keys and leaves the feed alone", async () => {
    const store = await openStore(harness);
    const desired = { authorityId: authorityId(2), minSequence: 4, maxSequence: 9 };
    await store.write(entry, (tx) => tx.credentials.put(credential("instance-1", { desired })));
    const before = await store.revision();
    const recorded = [
      {
        spki: "s",
        serial: "1",
        sequence: 5,
        authorityId: authorityId(2),
        notBeforeMs: 1,
        notAfterMs: 2,
        confirmed: false,
      },
    ];
    const { id } = credential("instance-1");
    await store.write(entry, (tx) => tx.credentials.putRecorded({ id, lastSequence: 5, recorded }));
    expect(await store.read((view) => view.credentials.get(id))).toEqual(
      credential("instance-1", { desired, lastSequence: 5, recorded }),
    );
    expect(await store.revision()).toBe(before);
    const absent = store.note((tx) =>
      tx.credentials.putRecorded({ id: credentialId("x"), lastSequence: 1, recorded }),
    );
    await expect(absent).rejects.toMatchObject({ code: "not-found" });
  });

  test("issuances are foreign that are leaves of no credential and have not ended", async () => {
    const store = await openStore(harness);
    const outside: Partial<Issuance> = { credentialId: null, sequence: null, notAfterMs: 2000 };
    await store.write(entry, async (tx) => {
      await tx.issuances.append(issuance("01"));
      await tx.issuances.append(issuance("02", { ...outside, kind: "root" }));
      await tx.issuances.append(issuance("03", outside));
      await tx.issuances.append(issuance("04", { ...outside, notAfterMs: 1000 }));
    });
    const { authorityId, subject, fingerprint } = issuance("03");
    const found = [{ authorityId, serial: "03", subject, fingerprint, notAfterMs: 2000 }];
    expect(await store.read((view) => view.issuances.foreign(1000))).toEqual(found);
  });

  test("issuances come back as they were appended, in order, with their bytes", async () => {
    const store = await openStore(harness);
    const other: Partial<Issuance> = { credentialId: null, sequence: null, kind: "root" };
    await store.write(entry, async (tx) => {
      await tx.issuances.append(issuance("01"));
      await tx.issuances.append(issuance("02", other));
    });
    await store.write(entry, (tx) =>
      tx.issuances.append(issuance("03", { der: new Uint8Array(5000).fill(9).subarray(10, 1000) })),
    );
    await store.read(async (view) => {
      expect(await view.issuances.count()).toBe(3);
      expect(await view.issuances.find(authorityId(1), "02")).toEqual(issuance("02", other));
      expect(await view.issuances.find(authorityId(2), "02")).toBeUndefined();
      const page = await view.issuances.page({}, 10);
      expect(page.map(({ issuance: { serial } }) => serial)).toEqual(["01", "02", "03"]);
      expect(page[2]?.issuance.der).toEqual(new Uint8Array(990).fill(9));
      expect(page[0]?.issuance).toEqual(issuance("01"));
      expect(await view.issuances.page({ "nodemanager-1": 1 }, 1)).toEqual([page[1]]);
      expect(
        (await view.issuances.ofCredential(credentialId("instance-1/management"), 1)).map(
          ({ serial }) => serial,
        ),
      ).toEqual(["03"]);
    });
  });

  test("a serial that the authority used before fails the whole transaction", async () => {
    const store = await openStore(harness);
    await store.write(entry, (tx) => tx.issuances.append(issuance("01")));
    const again = store.write(entry, async (tx) => {
      await tx.issuances.append(issuance("02"));
      await tx.issuances.append(issuance("01"));
    });
    await expect(again).rejects.toMatchObject({ code: "conflict" });
    await store.write(entry, (tx) =>
      tx.issuances.append(issuance("01", { authorityId: authorityId(2) })),
    );
    expect(
      (await store.read((view) => view.issuances.page({}, 10))).map(
        ({ issuance: i }) => `${i.authorityId} ${i.serial}`,
      ),
    ).toEqual(["authority-1 01", "authority-2 01"]);
  });
}
