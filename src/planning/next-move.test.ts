import { describe, expect, test } from "vitest";
import { testNowMs } from "../../test/support/certificates.ts";
import {
  appliedStep,
  settledSnapshot,
  testRollout,
  testStep,
} from "../../test/support/snapshots.ts";
import { nextMove } from "./next-move.ts";
import type { Rollout } from "./rollout.ts";
import { arrangeEvidence, type Evidence } from "./snapshot.ts";

const ready = arrangeEvidence(settledSnapshot());
const loaded = testStep({ id: "loaded", gate: [{ require: "trust-loaded" }] });
const held = testStep({
  id: "held",
  gate: [{ require: "trust-loaded" }, { require: "held-for", seconds: 10 }],
});
const coming = testStep({ id: "coming" });

function at(afterMs: number): Evidence {
  const nowMs = testNowMs + afterMs;
  return { ...ready, snapshot: { ...ready.snapshot, nowMs } };
}

describe("nextMove", () => {
  test.each<Rollout["status"]>(["paused", "completed", "rolled-back"])(
    "does nothing when the rollout is %s",
    (status) => {
      expect(nextMove(testRollout({ status, todo: [coming] }), ready, null)).toEqual({
        do: "nothing",
      });
    },
  );

  test.each<Rollout["status"]>(["running", "rolling-back"])(
    "applies the first step at once when the rollout is %s",
    (status) => {
      const rollout = testRollout({ status, todo: [coming, loaded] });
      expect(nextMove(rollout, ready, null)).toEqual({ do: "apply", step: coming });
    },
  );

  test("applies the next step when the gate of the last holds", () => {
    const rollout = testRollout({ done: [appliedStep(loaded)], todo: [coming] });
    expect(nextMove(rollout, ready, null)).toEqual({ do: "apply", step: coming });
  });

  test("waits, and says for what, when the gate does not hold", () => {
    const rollout = testRollout({ done: [appliedStep(loaded, { epoch: 6 })], todo: [coming] });
    const move = nextMove(rollout, ready, null);
    expect(move.do).toBe("wait");
    expect(move.do === "wait" && move.blockers.map(({ subject }) => subject)).toEqual([
      "nodemanager-1",
      "nodemanager-1.admin",
    ]);
  });

  test("takes waivers of the rollout into account", () => {
    const waiver = {
      subject: "host-1",
      phase: "introduce" as const,
      reason: "",
      person: "",
      endsAtMs: testNowMs + 1,
    };
    const done = [appliedStep(loaded, { epoch: 6 })];
    const rollout = testRollout({ done, todo: [coming], waivers: [waiver] });
    expect(nextMove(rollout, ready, null)).toEqual({ do: "apply", step: coming });
  });

  test("asks no more of a gate that has held already", () => {
    const done = [appliedStep(loaded, { epoch: 6, heldAtMs: 1 })];
    expect(nextMove(testRollout({ done, todo: [coming] }), ready, null).do).toBe("apply");
  });

  test("looks at the gate of the last step only", () => {
    const done = [appliedStep(loaded, { epoch: 6 }), appliedStep(coming)];
    expect(nextMove(testRollout({ done, todo: [loaded] }), ready, null).do).toBe("apply");
  });

  test("holds as long as the step asks, counted from when the gate began to hold", () => {
    const rollout = testRollout({ done: [appliedStep(held)], todo: [coming] });
    const untilMs = testNowMs + 10_000;
    expect(nextMove(rollout, ready, null)).toEqual({ do: "hold", untilMs });
    expect(nextMove(rollout, at(9_999), testNowMs)).toEqual({ do: "hold", untilMs });
    expect(nextMove(rollout, at(10_000), testNowMs)).toEqual({ do: "apply", step: coming });
  });

  test("waits instead of holding when the gate stops holding meanwhile", () => {
    const rollout = testRollout({ done: [appliedStep(held, { epoch: 6 })], todo: [coming] });
    expect(nextMove(rollout, at(11_000), testNowMs).do).toBe("wait");
  });

  test("finishes after the last step, but not before its gate holds", () => {
    const over = testRollout({ done: [appliedStep(loaded)], todo: [] });
    expect(nextMove(over, ready, null)).toEqual({ do: "finish" });
    const late = testRollout({ done: [appliedStep(loaded, { epoch: 6 })], todo: [] });
    expect(nextMove(late, ready, null).do).toBe("wait");
    expect(nextMove(testRollout({ status: "rolling-back" }), ready, null)).toEqual({
      do: "finish",
    });
  });
});
