import fc from "fast-check";
import { expect, test } from "vitest";
import type { AuthorityId } from "../../kit/index.ts";
import {
  isSameCombination,
  recordGeneration,
  type GenerationRecord,
} from "./generation-records.ts";

const [one, two] = ["service-1-ca-1", "service-1-ca-2"] as AuthorityId[] as [
  AuthorityId,
  AuthorityId,
];

function generation(content: string): Omit<GenerationRecord, "number"> {
  return {
    sequence: 1,
    trusts: [one],
    form: "f",
    authorityId: one,
    serial: "01",
    notAfterMs: 1,
    leaf: "l",
    content,
  };
}

test("a number is never given to another content, and numbers only grow", () => {
  const step = fc.record({
    content: fc.constantFrom("a", "b", "c"),
    isUsable: fc.boolean(),
    used: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let records: readonly GenerationRecord[] = [];
      const contentOf = new Map<number, string>();
      for (const { content, isUsable, used } of steps) {
        const before = records.at(-1)?.number ?? 0;
        const next = recordGeneration(records, generation(content), { isUsable, used });
        const newest = next.at(-1);
        expect(newest?.content).toBe(content);
        expect(contentOf.get(newest?.number ?? 0) ?? content).toBe(content);
        contentOf.set(newest?.number ?? 0, content);
        if (next !== records) expect(newest?.number).toBeGreaterThan(Math.max(before, ...used));
        records = next;
      }
    }),
  );
});

test("the generation that was recorded last keeps its number, unless its files are spoilt", () => {
  const first = recordGeneration([], generation("a"), { isUsable: true, used: [] });
  const again = { isUsable: true, used: [1] };
  expect(recordGeneration(first, generation("a"), again)).toBe(first);
  const spoilt = recordGeneration(first, generation("a"), { ...again, isUsable: false });
  expect(spoilt.map(({ number }) => number)).toEqual([1, 2]);
});

test("the order of trusted CAs makes no other generation; one more of them does", () => {
  const of = (...trusts: AuthorityId[]) => ({ sequence: 1, trusts, form: "f" });
  expect(isSameCombination(of(one, two), of(two, one))).toBe(true);
  expect(isSameCombination(of(one), of(one, two))).toBe(false);
});
