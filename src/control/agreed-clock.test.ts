import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AgreedClock, judgeClock, offText } from "./agreed-clock.ts";

const hourMs = 3_600_000;
const toleranceMs = hourMs / 2;

describe("judgeClock", () => {
  const judge = (ownMs: number, othersMs: readonly number[], anchorMs = 0) =>
    judgeClock({ ownMs, othersMs, anchorMs, toleranceMs });

  test.each([
    ["is right alone, as it was at the start", 0, [], true, "own past"],
    ["is off alone, after it was set", hourMs, [], false, "own past"],
    ["is right with a small step", toleranceMs, [], true, "own past"],
    ["is right with everybody", 0, [1, -1], true, "majority"],
    ["is off against two others", hourMs, [0, 1], false, "majority"],
    ["is off against two others, though it was never set", 0, [hourMs, hourMs], false, "majority"],
    ["is right where one of two others is wrong", 0, [0, hourMs], true, "majority"],
    ["is right where the only other one is wrong", 0, [hourMs], true, "nobody"],
    ["is off where it was set and the only other one was not", hourMs, [0], false, "own past"],
    ["is right, set, where the others were set too", hourMs, [hourMs, hourMs], true, "majority"],
    ["is right, not set, where all others differ", 0, [hourMs, -hourMs], true, "nobody"],
    ["is off, set, where all others differ", 3 * hourMs, [0, -hourMs], false, "own past"],
  ] as const)("a clock that %s", (_what, ownMs, othersMs, isRight, by) => {
    expect(judge(ownMs, othersMs)).toMatchObject({ isRight, by });
  });

  test("lets most of an odd number of clocks sign, whichever minority is wrong", () => {
    const offsets = fc.record({
      right: fc.integer({ min: 1, max: 4 }),
      wrong: fc.array(fc.integer({ min: 2, max: 50 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(offsets, ({ right, wrong }) => {
        fc.pre(wrong.length < right);
        const clocks = [...Array<number>(right).fill(0), ...wrong.map((hours) => hours * hourMs)];
        fc.pre(clocks.length > 1);
        const signing = clocks.filter((own, i) => judge(own, clocks.toSpliced(i, 1), own).isRight);
        expect(signing).toEqual(Array<number>(right).fill(0));
      }),
    );
  });
});

describe("AgreedClock", () => {
  /** A machine whose wall clock is set by hand, and its agreed clock. */
  function machine() {
    const state = { wallMs: 1_000 * hourMs, elapsedMs: 5_000 };
    const clock = new AgreedClock(
      { nowMs: () => state.wallMs, monotonicMs: () => state.elapsedMs },
      toleranceMs,
    );
    return {
      clock,
      pass: (ms: number): void => {
        state.wallMs += ms;
        state.elapsedMs += ms;
      },
      set: (byMs: number): void => void (state.wallMs += byMs),
      /** Another clock answers, which is ahead of this one as it was made. */
      hear: (source: string, aheadMs: number): void => {
        const { elapsedMs } = state;
        const saidMs = 1_000 * hourMs - 5_000 + elapsedMs + aheadMs;
        clock.note(source, { saidMs, askedAtMs: elapsedMs - 10, answeredAtMs: elapsedMs + 10.5 });
      },
    };
  }

  test("goes on with the right time and refuses to sign from the step on, until it is set back", () => {
    const { clock, pass, set } = machine();
    const beganMs = clock.nowMs();
    pass(60_000);
    expect(clock.nowMs()).toBe(beganMs + 60_000);
    set(hourMs);
    expect(() => clock.requireRight()).toThrow("60.0 minutes ahead");
    expect(clock.machineMs() - clock.nowMs()).toBe(hourMs);
    pass(60_000);
    expect(clock.nowMs()).toBe(beganMs + 120_000);
    set(-hourMs);
    expect(() => clock.requireRight()).not.toThrow();
  });

  test("takes the time of the majority, also one that was set with it", () => {
    const { clock, set, hear } = machine();
    hear("anm", 0);
    hear("database", 0);
    set(hourMs);
    expect(clock.verdict()).toMatchObject({
      isRight: false,
      by: "majority",
      aheadMs: hourMs + 0.25,
    });
    expect(clock.nowMs()).toBe(1_000 * hourMs);
    hear("anm", hourMs);
    expect(clock.verdict()).toMatchObject({ isRight: true, by: "majority" });
    expect(clock.nowMs()).toBe(clock.machineMs());
  });

  test("stays off when those who said so are gone", () => {
    const { clock, hear } = machine();
    hear("anm", hourMs);
    hear("database", hourMs);
    for (const source of ["anm", "database"]) clock.note(source, null);
    expect(clock.verdict()).toMatchObject({
      isRight: false,
      by: "own past",
      aheadMs: 0.25 - hourMs,
    });
  });

  test("does not take a wrong database for the time, nor when it is all that is left", () => {
    const { clock, hear } = machine();
    hear("anm", 0);
    hear("database", 5 * hourMs);
    expect(clock.verdict()).toMatchObject({ isRight: true, by: "majority" });
    clock.note("anm", null);
    expect(clock.verdict()).toMatchObject({ isRight: true, by: "nobody" });
  });
});

test("offText tells size and direction", () => {
  expect([61 * 60_000, -2.5 * hourMs].map(offText)).toEqual([
    "61.0 minutes ahead",
    "2.5 hours late",
  ]);
});
