import { describe, expect, test } from "vitest";
import type { AuthorityId, CredentialId } from "../kit/index.ts";
import { appliedStep, testRollout, testStep } from "../../test/support/snapshots.ts";
import type { Edit, Phase } from "./plan.ts";
import { rollbackSteps } from "./rollback.ts";
import { changesTrust, isOpen, phaseOf, type AppliedStep, type RolloutStatus } from "./rollout.ts";

const next = ["management-2" as AuthorityId];
const leaves = ["instance-1/management" as CredentialId];

function done(...phases: Phase[]): AppliedStep[] {
  return phases.map((phase) => {
    const edit: Edit =
      phase === "reissue" ? { do: "reissue", credentials: leaves } : { do: "watch" };
    return appliedStep(testStep({ phase, edit }));
  });
}

describe("rollbackSteps of a rotation", () => {
  test.each<[string, Phase[], string[]]>([
    ["before its first step", [], []],
    ["after prepare", ["prepare"], ["deny"]],
    ["after introduce", ["prepare", "introduce"], ["deny"]],
    ["after issue", ["prepare", "introduce", "issue"], ["return", "deny"]],
    ["after reissue", ["prepare", "introduce", "issue", "reissue"], ["return", "deny"]],
    ["after observe", ["prepare", "introduce", "issue", "reissue", "observe"], ["return", "deny"]],
  ])("%s", (_, phases, expected) => {
    const steps = rollbackSteps(testRollout({ done: done(...phases) }));
    expect(steps.map(({ id }) => id)).toEqual(expected);
  });

  test("presents the earlier generations before it denies what it introduced", () => {
    const rollout = testRollout({ done: done("prepare", "introduce", "issue", "reissue") });
    const [back, deny] = rollbackSteps(rollout);
    expect(back).toMatchObject({
      phase: "return",
      edit: { do: "return", successions: rollout.successions },
      gate: [{ require: "trust-loaded" }, { require: "all-presented", usages: ["management"] }],
    });
    expect(deny).toMatchObject({
      phase: "deny",
      edit: { do: "distrust", authorities: next, deny: true },
      gate: [{ require: "trust-loaded" }, { require: "old-connections-closed" }],
    });
  });

  test("is refused once retire has begun", () => {
    const rollout = testRollout({
      done: done("prepare", "introduce", "issue", "observe", "retire"),
    });
    expect(() => rollbackSteps(rollout)).toThrow(expect.objectContaining({ code: "plan-unsafe" }));
  });
});

describe("rollbackSteps of new leaves", () => {
  const rollout = testRollout({ kind: "replace-leaves", successions: [] });

  test("presents the earlier generations of what was reissued, and denies nothing", () => {
    const steps = rollbackSteps({ ...rollout, done: done("reissue") });
    expect(steps.map(({ id, gate }) => ({ id, gate }))).toEqual([
      {
        id: "return",
        gate: [{ require: "trust-loaded" }, { require: "presented", credentials: leaves }],
      },
    ]);
  });

  test("has nothing to do before anything was reissued", () => {
    expect(rollbackSteps(rollout)).toEqual([]);
  });
});

describe("a rollout", () => {
  test.each<[RolloutStatus, boolean]>([
    ["running", true],
    ["paused", true],
    ["rolling-back", true],
    ["completed", false],
    ["rolled-back", false],
  ])("that is %s is open: %s", (status, open) => {
    expect(isOpen({ status })).toBe(open);
  });

  test("changes trust when it rotates a CA only", () => {
    expect(changesTrust({ kind: "rotate-ca" })).toBe(true);
    expect(changesTrust({ kind: "replace-leaves" })).toBe(false);
  });

  test("is in the phase of its last applied step, or of its first", () => {
    expect(phaseOf(testRollout({ done: done("prepare", "issue") }))).toBe("issue");
    expect(phaseOf(testRollout({ todo: [testStep({ phase: "prepare" })] }))).toBe("prepare");
    expect(phaseOf(testRollout())).toBeNull();
  });
});
