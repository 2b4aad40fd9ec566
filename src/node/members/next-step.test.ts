import fc from "fast-check";
import { expect, test } from "vitest";
import type { AuthorityId } from "../../kit/index.ts";
import { nextStep, type MemberSituation } from "./next-step.ts";

const ca = "service-1-ca" as AuthorityId;
const combination = fc
  .tuple(fc.integer({ min: 1, max: 2 }), fc.boolean())
  .map(([sequence, isForm]) => ({ sequence, trusts: [ca], form: isForm ? "a" : "b" }));
const number = fc.option(fc.integer({ min: 1, max: 2 }));

const situations: fc.Arbitrary<MemberSituation> = fc
  .record({
    supervised: fc.boolean(),
    enabled: fc.boolean(),
    isRunning: fc.option(fc.boolean()),
    wanted: fc.option(combination),
    current: number,
    good: number,
    goodIs: fc.option(combination),
    hasChangedFiles: fc.boolean(),
    isPlaced: fc.boolean(),
    mayInstall: fc.boolean(),
  })
  // What is known of no generation is known of none; a process lives or does not.
  .map((all) => ({
    ...all,
    goodIs: all.good === null ? null : all.goodIs,
    isRunning: all.supervised ? all.isRunning === true : all.isRunning,
  }));

test("a server is never started without files, and none is started or stopped that others run", () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const step = nextStep(situation).do;
      if (step === "start") expect(situation.current).not.toBeNull();
      if (["start", "stop", "place-and-start"].includes(step))
        expect(situation.supervised).toBe(true);
      if (["start", "place-and-start"].includes(step)) expect(situation.enabled).toBe(true);
    }),
  );
});

test("nothing is installed that nobody wants, or during a pause, or that is in use as it should be", () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const installs = ["install", "place", "place-and-start"].includes(nextStep(situation).do);
      const { wanted, goodIs, current, good, hasChangedFiles, mayInstall } = situation;
      const isInUse =
        current === good && !hasChangedFiles && JSON.stringify(wanted) === JSON.stringify(goodIs);
      if (wanted === null || !mayInstall || isInUse) expect(installs).toBe(false);
    }),
  );
});

test("a supervised server that is wanted comes to run, or there is nothing to start it with", () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const { supervised, enabled, isRunning, current, wanted } = situation;
      fc.pre(supervised && enabled && isRunning === false);
      const isStarted = nextStep(situation).do.endsWith("start");
      expect(isStarted || (current === null && (wanted === null || !situation.mayInstall))).toBe(
        true,
      );
    }),
  );
});
