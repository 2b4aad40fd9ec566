import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contradictions, type Operation } from "./linearizable.ts";

function operation(
  kind: Operation["kind"],
  value: string,
  [invokedMs, answeredMs]: readonly [number, number],
  outcome: Operation["outcome"] = "done",
): Operation {
  return { kind, value, invokedMs, answeredMs, outcome, by: "client" };
}
const write = (value: string, time: readonly [number, number], outcome?: Operation["outcome"]) =>
  operation("write", value, time, outcome);
const read = (value: string, time: readonly [number, number]) => operation("read", value, time);

describe("a history is refused", () => {
  test.each<[string, Operation[]]>([
    ["an acknowledged write is lost", [write("a", [1, 2]), read("initial", [3, 4])]],
    [
      "an acknowledged write is lost to an older one",
      [write("a", [1, 2]), write("b", [3, 4]), read("a", [5, 6])],
    ],
    [
      "a read is older than one before it, while the write is under way",
      [write("a", [1, 9]), read("a", [2, 3]), read("initial", [4, 5])],
    ],
    [
      "a write is applied a second time by its retry, over somebody else's",
      [
        write("a", [1, 10]),
        read("a", [2, 3]),
        write("b", [4, 5]),
        read("b", [6, 7]),
        read("a", [11, 12]),
      ],
    ],
    [
      "a retry is applied a second time, and seen before and after the other write alone",
      [write("a", [1, 20]), read("a", [2, 3]), write("b", [4, 5]), read("a", [6, 7])],
    ],
    ["a value is read that nobody wrote", [read("x", [1, 2])]],
    ["a refused write took place", [write("a", [1, 2], "refused"), read("a", [3, 4])]],
    ["a value is read before it was to be written", [read("a", [1, 2]), write("a", [3, 4])]],
    [
      "an unknown write took place after it had been overwritten",
      [
        write("a", [1, Infinity], "unknown"),
        read("a", [2, 3]),
        write("b", [4, 5]),
        read("b", [6, 7]),
        read("a", [8, 9]),
      ],
    ],
    ["a value is written twice", [write("a", [1, 2]), write("a", [3, 4])]],
  ])("when %s", (_, operations) => {
    expect(contradictions("initial", operations)).not.toEqual([]);
  });
});

describe("a history is accepted", () => {
  test.each<[string, Operation[]]>([
    ["nothing was written", [read("initial", [1, 2]), read("initial", [3, 4])]],
    [
      "a read overlaps a write and sees either",
      [write("a", [1, 9]), read("initial", [2, 3]), read("a", [4, 5])],
    ],
    [
      "an unknown write never took place",
      [write("a", [1, Infinity], "unknown"), read("initial", [5, 6])],
    ],
    [
      "an unknown write took place late",
      [
        write("a", [1, Infinity], "unknown"),
        write("b", [2, 3]),
        read("b", [4, 5]),
        read("a", [6, 7]),
      ],
    ],
    [
      "writes that overlap are seen in one order",
      [write("a", [1, 9]), write("b", [2, 8]), read("a", [10, 11])],
    ],
    [
      "a refused write did not take place",
      [write("a", [1, 2], "refused"), read("initial", [3, 4])],
    ],
  ])("when %s", (_, operations) => {
    expect(contradictions("initial", operations)).toEqual([]);
  });
});

/** Operations with distinct moments at which they take place, answered by one copy. */
const histories = fc
  .array(fc.record({ isWrite: fc.boolean(), before: fc.nat(30), after: fc.nat(30) }), {
    minLength: 1,
    maxLength: 8,
  })
  .map((steps) => {
    let value = "initial";
    return steps.map(({ isWrite, before, after }, i): Operation => {
      const momentMs = 10 * (i + 1);
      if (isWrite) value = `w${i}`;
      // No two times are equal: what is equal could be taken for either order.
      const time = [momentMs - before - i / 100, momentMs + after + 0.5 + i / 100] as const;
      return operation(isWrite ? "write" : "read", value, time);
    });
  });

/** Tries every order: some order that respects time must let one copy answer as it did. */
function hasOrder(left: readonly Operation[], value: string): boolean {
  return (
    left.length === 0 ||
    left.some((next, i) => {
      if (left.some((other) => other.answeredMs < next.invokedMs)) return false;
      if (next.kind === "read" && next.value !== value) return false;
      return hasOrder([...left.slice(0, i), ...left.slice(i + 1)], next.value);
    })
  );
}

test("whatever one copy answers is accepted", () => {
  fc.assert(
    fc.property(histories, (history) => {
      expect(contradictions("initial", history)).toEqual([]);
    }),
  );
});

test("a history is refused exactly when no order of its operations explains it", () => {
  fc.assert(
    fc.property(histories, fc.nat(), fc.nat(), (history, of, to) => {
      const values = [
        "initial",
        ...history.flatMap(({ kind, value }) => (kind === "write" ? [value] : [])),
      ];
      const spoiled = history.map((each, i): Operation =>
        i === of % history.length && each.kind === "read"
          ? { ...each, value: values[to % values.length] ?? "initial" }
          : each,
      );
      expect(contradictions("initial", spoiled).length === 0).toBe(hasOrder(spoiled, "initial"));
    }),
    { numRuns: 2_000 },
  );
});
