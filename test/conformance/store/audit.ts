import { expect, test } from "vitest";
import { anchorHeads } from "../../../src/control/index.ts";
import { DomainError } from "../../../src/kit/index.ts";
import { entry, issuance } from "./examples.ts";
import { openStore, testClock, type StoreHarness } from "./harness.ts";

export function auditTests(harness: StoreHarness): void {
  test("every write leaves its record, in order, and a note leaves none", async () => {
    const store = await openStore(harness);
    await store.write({ ...entry, action: "host.add" }, async () => {});
    await store.note(async (tx) => tx.accounts.sweep(1));
    await store.write({ ...entry, action: "host.remove" }, async () => {});
    const records = await store.read((view) => view.audit.page({}, 10));
    expect(records).toEqual([
      {
        ...entry,
        action: "host.add",
        position: 1,
        writer: "nodemanager-1",
        atMs: testClock.nowMs(),
      },
      {
        ...entry,
        action: "host.remove",
        position: 2,
        writer: "nodemanager-1",
        atMs: testClock.nowMs(),
      },
    ]);
    expect(await store.read((view) => view.audit.page({ "nodemanager-1": 1 }, 10))).toEqual([
      records[1],
    ]);
  });

  test("the links of a writer have no gap and cover everything when many write at once", async () => {
    const place = await harness.place();
    const store = await openStore(harness, place);
    await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) =>
        store.write(entry, async (tx) => {
          await tx.issuances.append(issuance(n.toString(16)));
          if (n % 7 === 0) throw new DomainError("forbidden", "no");
        }),
      ),
    );
    for (let n = 0; n < 3; n++) await store.write(entry, async () => {});
    await store.close();
    const second = await openStore(harness, place, { writer: "nodemanager-2" });
    await second.write(entry, (tx) => tx.issuances.append(issuance("ffff")));
    await second.read(async ({ audit, issuances }) => {
      expect((await audit.heads()).map(({ writer }) => writer)).toEqual([
        "nodemanager-1",
        "nodemanager-2",
      ]);
      const links = await audit.links("nodemanager-1", 0, 1000);
      expect(links.map(({ number }) => number)).toEqual(links.map((_, i) => i + 1));
      for (const [i, link] of links.entries()) {
        expect(link.auditFrom).toBe((links[i - 1]?.auditTo ?? 0) + 1);
        expect(link.issuanceFrom).toBe((links[i - 1]?.issuanceTo ?? 0) + 1);
      }
      expect(links.at(-1)).toMatchObject({ auditTo: 88, issuanceTo: 85 });
      expect(await audit.links("nodemanager-1", links.length - 1, 5)).toEqual(links.slice(-1));
      expect((await issuances.page({}, 1000)).map(({ position }) => position)).toEqual([
        ...Array.from({ length: 85 }, (_, i) => i + 1),
        1,
      ]);
      const after = { "nodemanager-1": 84 };
      expect((await issuances.page(after, 9)).map((entry) => entry.issuance.serial)).toEqual([
        expect.any(String),
        "ffff",
      ]);
      expect(await issuances.page({ ...after, "nodemanager-2": 1 }, 9)).toHaveLength(1);
      expect(await audit.verify()).toEqual({
        ok: true,
        links: links.length + 1,
        records: 89,
        issuances: 86,
      });
    });
  });

  test("verifying an empty store finds nothing wrong", async () => {
    const store = await openStore(harness);
    expect(await store.read((view) => view.audit.verify())).toEqual({
      ok: true,
      links: 0,
      records: 0,
      issuances: 0,
    });
  });

  test.each<[string, string, number]>([
    [
      "a record is changed",
      "update audit_records set actor = 'user:mallory' where position = 2",
      2,
    ],
    ["a record is deleted", "delete from audit_records where position = 2", 2],
    ["an issuance is changed", "update issuances set subject = 'CN=other' where position = 3", 3],
    [
      "the bytes of an issuance are changed",
      "update issuances set der = (select der from issuances where position = 4) where position = 1",
      1,
    ],
    ["the last issuance is deleted", "delete from issuances where position = 4", 4],
    ["a link is changed", "update chain_links set audit_to = 3 where number = 2", 2],
    ["a link is deleted", "delete from chain_links where number = 2", 2],
    ["the last link is deleted", "delete from chain_links where number = 4", 4],
    [
      "the last link is deleted with its rows",
      "delete from chain_links where number = 4; delete from audit_records where position = 4; delete from issuances where position = 4",
      4,
    ],
    [
      "the head is set back",
      "update chain_heads set number = 3, hash = (select hash from chain_links where number = 3)",
      4,
    ],
    ["the head is deleted", "delete from chain_heads", 1],
    [
      "a record is added after the last",
      "insert into audit_records select writer, 5, at_ms, actor, action, subject, detail from audit_records where position = 4",
      5,
    ],
    [
      "a record of another writer is added",
      "insert into audit_records select 'nodemanager-9', 5, at_ms, actor, action, subject, detail from audit_records where position = 4",
      1,
    ],
  ])("verifying names the first broken link when %s", async (_, sql, link) => {
    const place = await harness.place();
    const store = await openStore(harness, place);
    for (const serial of ["01", "02", "03", "04"]) {
      await store.write(entry, (tx) =>
        tx.issuances.append(issuance(serial, { der: Uint8Array.of(Number(serial)) })),
      );
    }
    expect(await store.read((view) => view.audit.verify())).toEqual({
      ok: true,
      links: 4,
      records: 4,
      issuances: 4,
    });
    await store.close();
    await harness.tamper(place, sql);
    const verdict = await (await openStore(harness, place)).read((view) => view.audit.verify());
    expect(verdict).toMatchObject({ ok: false, link });
    expect(verdict).toHaveProperty("text", expect.stringMatching(/^link \d+ of nodemanager-\d: /));
  });

  test("a log that was rewritten as a whole is named once a leader's log had anchored it, and not if it only grew", async () => {
    const place = await harness.place();
    const first = await openStore(harness, place);
    await first.write(entry, async () => {});
    await first.close();
    const leader = await openStore(harness, place, { writer: "nodemanager-2" });
    const lease = await leader.note((tx) => tx.leases.claim("leader", "nodemanager-2", undefined));
    const leadership = { lease: lease.name, fencingToken: lease.fencingToken };
    const of = { writer: "nodemanager-2", last: [] };
    const anchored = await anchorHeads({ store: leader }, leadership, of);
    expect(anchored.map(({ writer, number }) => [writer, number])).toEqual([["nodemanager-1", 1]]);
    await leader.close();
    const again = await openStore(harness, place);
    await again.write(entry, async () => {});
    expect(await again.read((view) => view.audit.verify())).toMatchObject({ ok: true, links: 3 });
    await again.close();
    const tables = ["audit_records", "chain_links", "chain_heads"];
    for (const table of tables)
      await harness.tamper(place, `delete from ${table} where writer = 'nodemanager-1'`);
    const forger = await openStore(harness, place);
    await forger.write({ ...entry, actor: "user:mallory" }, async () => {});
    await forger.write(entry, async () => {});
    expect(await forger.read((view) => view.audit.verify())).toMatchObject({
      ok: false,
      writer: "nodemanager-1",
      link: 1,
      text: "link 1 of nodemanager-1: it is not the link that a leader's log has anchored",
    });
  });
}
