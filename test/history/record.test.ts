import { expect, test } from "vitest";
import { Record, type Outcome } from "./record.ts";

const by = "client";

function change(
  record: Record,
  value: "present" | "gone",
  [invokedMs, answeredMs]: readonly [number, number],
  outcome: Outcome = "done",
): void {
  record.change("thing", { value, invokedMs, answeredMs, outcome, by });
}

function look(record: Record, names: readonly string[], from: number): void {
  record.look(new Set(names), { invokedMs: from, answeredMs: from + 1, by });
}

test("a thing that was created, seen and deleted contradicts nothing", () => {
  const record = new Record();
  look(record, [], 1);
  change(record, "present", [3, 6]);
  look(record, [], 4);
  look(record, ["thing"], 7);
  change(record, "gone", [9, 12]);
  look(record, ["thing"], 10);
  look(record, [], 13);
  expect(record.contradictions()).toEqual([]);
});

test("a creation that was acknowledged and is lost is found", () => {
  const record = new Record();
  change(record, "present", [1, 2]);
  look(record, [], 3);
  expect(record.contradictions()).not.toEqual([]);
});

test("a thing that is seen after its deletion was acknowledged is found", () => {
  const record = new Record();
  change(record, "present", [1, 2]);
  change(record, "gone", [3, 4]);
  look(record, ["thing"], 5);
  expect(record.contradictions()).not.toEqual([]);
});

test("a thing that is not seen any more though nobody deleted it is found", () => {
  const record = new Record();
  change(record, "present", [1, Infinity], "unknown");
  look(record, ["thing"], 3);
  look(record, [], 5);
  expect(record.contradictions()).not.toEqual([]);
});

test("a creation without an answer that never took place contradicts nothing", () => {
  const record = new Record();
  change(record, "present", [1, Infinity], "unknown");
  look(record, [], 3);
  expect(record.contradictions()).toEqual([]);
});

test("a register of one name says nothing of another's", () => {
  const record = new Record();
  record.write("one", { value: "a", invokedMs: 1, answeredMs: 2, outcome: "done", by });
  record.read("other", { value: "initial", invokedMs: 3, answeredMs: 4, by });
  expect(record.contradictions()).toEqual([]);
  record.read("one", { value: "initial", invokedMs: 3, answeredMs: 4, by });
  expect(record.contradictions()).toHaveLength(1);
});
