import { expect, test } from "vitest";
import { anchorHeads, anchorsOf } from "./anchor-heads.ts";
import type { AuditEntry, ChainHead, LeaseWriter, Store } from "./ports.ts";

const one: ChainHead = { writer: "nodemanager-1", number: 7, hash: "a".repeat(64) };
const other: ChainHead = { writer: "nodemanager-2", number: 3, hash: "b".repeat(64) };
const leadership = { lease: "leader", fencingToken: 5 };
const writer = "nodemanager-1";

/** A store that holds these heads, and keeps the audit entries of its writes. */
function storeWith(heads: readonly ChainHead[]): { store: Store; written: AuditEntry[] } {
  const written: AuditEntry[] = [];
  const leases: Pick<LeaseWriter, "require"> = {
    require: (_name, token) =>
      token === 5 ? Promise.resolve() : Promise.reject(new Error("not the leader")),
  };
  const store = {
    read: (work: (view: unknown) => unknown) => work({ audit: { heads: async () => heads } }),
    write: async (entry: AuditEntry, work: (tx: unknown) => Promise<unknown>) => {
      await work({ leases });
      written.push(entry);
    },
  } as unknown as Store;
  return { store, written };
}

test("the leader's log gets the newest link of every log, and a reader gets them back", async () => {
  const { store, written } = storeWith([one, other]);
  expect(await anchorHeads({ store }, leadership, { writer, last: [] })).toEqual([one, other]);
  expect(written).toMatchObject([{ actor: "system:leader", action: "audit.anchor" }]);
  expect(anchorsOf(written[0]?.detail ?? {})).toEqual([one, other]);
});

test("nothing is written while only the leader's own log has grown", async () => {
  const { store, written } = storeWith([{ ...one, number: 8, hash: "c".repeat(64) }, other]);
  expect(await anchorHeads({ store }, leadership, { writer, last: [one, other] })).toEqual([
    one,
    other,
  ]);
  expect(written).toEqual([]);
});

test("a leader that was replaced anchors nothing", async () => {
  const { store, written } = storeWith([one, other]);
  const stale = { ...leadership, fencingToken: 4 };
  await expect(anchorHeads({ store }, stale, { writer, last: [] })).rejects.toThrow(
    "not the leader",
  );
  expect(written).toEqual([]);
});
