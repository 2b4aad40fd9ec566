import { expect, test } from "vitest";
import type { HostId } from "../kit/index.ts";
import type { Authority } from "../domain/index.ts";
import { authority, host } from "../../test/conformance/store/examples.ts";
import { lostKeys } from "./lost-keys.ts";
import { keyCopyFindings } from "./recovery-findings.ts";

const hosts = [1, 2].map((n) => {
  const made = host(n);
  return { ...made, nodeManager: { ...made.nodeManager, isAdmin: true } };
});
const current = (changes: Partial<Authority> = {}): Authority => ({
  ...authority(1),
  status: "current",
  signing: "generated",
  holders: ["host-1", "host-2"] as HostId[],
  ...changes,
});

/** Reports of Admin Node Managers: who answers, and who of them has the keys. */
const reports = (answering: readonly string[], having: readonly string[]) => ({
  areKnown: true,
  answers: (id: HostId) => answering.includes(id),
  hasKey: (id: HostId) => having.includes(id),
});

test("a key is lost when every holder answers that it is missing, and not while one is silent", () => {
  const both = ["host-1", "host-2"];
  const found = (...of: Parameters<typeof reports>) =>
    lostKeys([current()], hosts, reports(...of)).length;
  expect(found(both, [])).toBe(1);
  expect(found(both, ["host-2"])).toBe(0);
  expect(found(["host-1"], [])).toBe(0);
  expect(lostKeys([current({ holders: [] })], hosts, reports(both, []))).toHaveLength(1);
  expect(lostKeys([current({ status: "previous" })], hosts, reports(both, []))).toEqual([]);
  const elsewhere = current({ holders: [], signing: "external" });
  expect(lostKeys([elsewhere], hosts, reports(both, []))).toEqual([]);
});

test("keys without a known copy are named until a copy of each is recorded, whatever was recorded of others", () => {
  const copy = { atMs: 1, by: "user:admin", where: "in the safe" };
  const found = (keys: readonly string[]) => {
    const keyCopies = Object.fromEntries(keys.map((key) => [key, copy]));
    const domain = { keyCopies };
    const authorities = [current(), { ...current(), id: "authority-2", status: "retired" }];
    const snapshot = { authorities, topology: { domain } };
    return keyCopyFindings({ evidence: { snapshot } } as never).map(({ text }) => text);
  };
  expect(found([])).toEqual([expect.stringContaining("authority-1, trust-signing")]);
  expect(found(["trust-signing"])).toEqual([expect.stringMatching(/copy of authority-1:/)]);
  expect(found(["authority-9", "authority-1", "trust-signing"])).toEqual([]);
});
