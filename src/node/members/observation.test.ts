import { expect, test } from "vitest";
import { memberOf } from "../../../test/support/member.ts";
import type { Description } from "../../drivers/index.ts";
import { observe, seenProblem, showsEverywhere, showsOther, type Seen } from "./observation.ts";

function seen(...leaves: (string | null)[]): Seen {
  const ports = leaves.map((leaf, i) => ({
    at: `127.0.0.1:${i + 1}`,
    leaf,
    error: leaf === null ? "it shows no certificate" : null,
  }));
  return { status: null, statusError: null, ports };
}
const installed = { leaf: "a", number: 7 };

test.each<[string, Seen, boolean, boolean, string | null]>([
  ["shows what is installed", seen("a", "a"), true, false, null],
  ["shows another one on one port", seen("a", "b"), false, true, "127.0.0.1:2 shows another"],
  ["is silent on one port", seen(null, "a"), false, false, "it shows no certificate"],
])("a member that %s is seen so", (_, at, everywhere, other, problem) => {
  expect([showsEverywhere(at, "a"), showsOther(at, "a")]).toEqual([everywhere, other]);
  if (problem === null) expect(seenProblem(at, installed)).toBeNull();
  else expect(seenProblem(at, installed)).toContain(problem);
});

test("a server that shows something before anything was installed is no problem", () => {
  expect(seenProblem(seen("b"), null)).toBeNull();
});

test("a status that is not answered is given up, and said so", async () => {
  const status = { from: { run: ["sleep", "30"], limitSeconds: 2 }, members: { count: "x" } };
  const description = { name: "slow", served: [], status } as unknown as Description;
  expect((await observe(memberOf(description), 0.05)).statusError).toMatch(
    /one does not say how it is within 0.05 s/,
  );
});
