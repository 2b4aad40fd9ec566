import fc from "fast-check";
import { expect, test } from "vitest";
import { testRoot } from "../support/certificates.ts";
import { IssuanceWorld, type GivenCas, type Way } from "./issuance-world.ts";
import type { CrashPoint } from "./store-wrappers.ts";

const which = fc.nat(2);
const recent = fc.constantFrom(0, 0, 0, 1, 2);
const rarely = fc.constantFrom(false, false, false, true);
const signature = fc.constantFrom("well", "well", "well", "swapped", "used-serial");
const way = fc.constantFrom<Way>("generated", "provided", "external", "external");

type Deed = (world: IssuanceWorld) => Promise<void>;

/** A deed that prints as what it is when a sequence fails. */
function deed<Args extends readonly unknown[]>(
  name: string,
  args: { [K in keyof Args]: fc.Arbitrary<Args[K]> },
  body: (world: IssuanceWorld, ...args: Args) => Promise<void>,
): fc.Arbitrary<Deed> {
  return fc.tuple<[...Args]>(...(args as never)).map((chosen) => {
    const text = `${name}(${chosen.join(", ")})`;
    return Object.assign((world: IssuanceWorld) => body(world, ...(chosen as never)), {
      [fc.toStringMethod]: () => text,
    });
  });
}

const offered: readonly (readonly [number, fc.Arbitrary<Deed>])[] = [
  [4, deed("request", [which, fc.boolean()], (world, ...args) => world.request(...args))],
  [6, deed("sign", [which, signature], (world, ...args) => world.sign(...args))],
  [
    6,
    deed("submit", [recent, fc.integer({ min: 1, max: 3 })], (world, ...args) =>
      world.submit(...args),
    ),
  ],
  [3, deed("take", [which, fc.boolean(), rarely], (world, ...args) => world.take(...args))],
  [2, deed("cancel", [which, fc.boolean()], (world, ...args) => world.cancel(...args))],
  [2, deed("import", [which, fc.boolean()], (world, ...args) => world.import(...args))],
  [3, deed("issue locally", [which, rarely], (world, ...args) => world.issueLocally(...args))],
  [2, deed("merge", [fc.nat(3)], (world, ...args) => world.merge(...args))],
  [3, deed("change", [way], (world, ...args) => world.change(...args))],
  [3, deed("advance", [fc.constantFrom(1, 3, 12)], (world, ...args) => world.advance(...args))],
  [1, deed("roll back", [], (world) => world.rollBack())],
];
const deeds = fc.oneof(...offered.map(([weight, arbitrary]) => ({ weight, arbitrary })));

const crash = fc.option(
  fc.record<CrashPoint>({
    transaction: fc.constantFrom(1, 1, 2, 3, 7),
    when: fc.constantFrom("before", "after"),
  }),
  { freq: 3 },
);

const sequences = fc.array(fc.tuple(deeds, crash), { minLength: 4, maxLength: 30, size: "max" });

test("no sequence of commands and crashes gives one serial of a CA twice, or leaves out of the inventory what a host has", async () => {
  const cas: GivenCas = {
    provided: await testRoot({ subject: "CN=Provided Root" }),
    external: await testRoot({ subject: "CN=External Root" }),
  };
  const seen: Record<string, number> = {};
  const property = fc.asyncProperty(way, sequences, async (first, sequence) => {
    const world = await IssuanceWorld.open(first, cas);
    for (const [step, point] of sequence) await world.attempt(point, () => step(world));
    await world.check();
    for (const [what, count] of Object.entries(world.seen)) seen[what] = (seen[what] ?? 0) + count;
    await world.close();
  });
  await fc.assert(property, {
    numRuns: 200,
    interruptAfterTimeLimit: 10_000,
  });
  for (const what of [
    "accepted",
    "refused",
    "imported",
    "relayed",
    "cancelled",
    "merged",
    "merge refused",
  ])
    expect(seen[what], what).toBeGreaterThan(0);
  for (const what of ["completed", "rolled back"]) expect(seen[what], what).toBeGreaterThan(0);
});
