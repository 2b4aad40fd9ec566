import { expect, test } from "vitest";
import { migrations, pendingMigrations } from "./migrations.ts";

test("every migration leaves a schema that the version before it can use", () => {
  for (const [before, { title, usableFrom }] of migrations.entries())
    expect(usableFrom, title).toBeLessThanOrEqual(Math.max(before, 1));
});

test("what a migration asks of versions is never taken back by a later one", () => {
  const asked = migrations.map(({ usableFrom }) => usableFrom);
  expect(asked).toEqual(asked.toSorted((a, b) => a - b));
});

test("a version applies what it knows and the schema lacks", () => {
  const two = migrations.slice(0, 2);
  const numbers = (applied: number, usableFrom: number): number[] =>
    pendingMigrations({ applied, usableFrom }, "it", two).map(({ number }) => number);
  expect(numbers(0, 0)).toEqual([1, 2]);
  expect(numbers(1, 1)).toEqual([2]);
  expect(numbers(2, 1)).toEqual([]);
  expect(numbers(3, 2)).toEqual([]);
  expect(() => numbers(3, 3)).toThrow("it has schema 3, this version knows up to 2");
});
