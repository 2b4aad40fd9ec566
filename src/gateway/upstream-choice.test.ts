import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextHealth, orderOfTrial, unknownHealth } from "./upstream-choice.ts";

describe("nextHealth", () => {
  it("takes an upstream out when the second check in a row fails", () => {
    const once = nextHealth(unknownHealth, "check-failed");
    expect(once.healthy).toBe(true);
    expect(nextHealth(once, "check-failed").healthy).toBe(false);
    expect(nextHealth(nextHealth(once, "check-passed"), "check-failed").healthy).toBe(true);
  });

  it("takes an upstream out when one connect fails, until a check passes", () => {
    const out = nextHealth(unknownHealth, "connect-failed");
    expect(out.healthy).toBe(false);
    expect(nextHealth(out, "check-failed").healthy).toBe(false);
    expect(nextHealth(out, "check-passed")).toEqual(unknownHealth);
  });
});

const upstreams = fc
  .array(fc.boolean(), { minLength: 1, maxLength: 6 })
  .map((all) => all.map((healthy, name) => ({ healthy, name })));

describe("orderOfTrial", () => {
  it("names every upstream once, the healthy ones first", () => {
    fc.assert(
      fc.property(upstreams, fc.nat(), (all, turn) => {
        const order = orderOfTrial(all, turn);
        expect(order.toSorted((a, b) => a.name - b.name)).toEqual(all);
        const firstUnhealthy = order.findIndex((each) => !each.healthy);
        expect(order.findLastIndex((each) => each.healthy)).toBeLessThan(
          firstUnhealthy < 0 ? order.length : firstUnhealthy,
        );
      }),
    );
  });

  it("gives the healthy ones equal shares when turns go on", () => {
    fc.assert(
      fc.property(upstreams, fc.nat(1000), (all, start) => {
        const healthy = all.filter((each) => each.healthy);
        const first =
          all.length === 0 ? [] : [...healthy.keys()].map((i) => orderOfTrial(all, start + i)[0]);
        expect(new Set(first).size).toBe(healthy.length);
      }),
    );
  });
});
