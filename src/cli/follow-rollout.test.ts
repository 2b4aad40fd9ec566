import { describe, expect, test } from "vitest";
import { sampleRollout, waitsForPeople } from "../../test/support/sample-domain.ts";
import { ScriptedAdmin } from "../../test/support/scripted-admin.ts";
import { ScriptedTerminal } from "../../test/support/scripted-terminal.ts";
import { DomainError, type RolloutId } from "../kit/index.ts";
import { followRollout } from "./follow-rollout.ts";
import { barLine } from "./progress.ts";

const id = "rollout-1" as RolloutId;
const wishes = { asksPeople: true, timeoutSeconds: null };
const blocked = sampleRollout(4, { blockers: [waitsForPeople] });
const completed = sampleRollout(5, { status: "completed" });

/** An Admin Node Manager whose rollout looks different each time; the last look stays. */
function adminSeen(views: readonly unknown[], waived = sampleRollout(4)): ScriptedAdmin {
  const left = [...views];
  return new ScriptedAdmin({
    waiveGate: waived,
    getRollout: () => {
      const view = left.length > 1 ? left.shift() : left[0];
      if (view instanceof DomainError) throw view;
      return view;
    },
  });
}

describe("followRollout", () => {
  test("prints each step once, and what it waits for, until the rollout is completed", async () => {
    const terminal = new ScriptedTerminal();
    const admin = adminSeen([sampleRollout(1), sampleRollout(3), sampleRollout(3), completed]);
    await followRollout(admin, terminal, id, wishes);
    expect(terminal.lines).toEqual([
      "! [1/5] prepare: Make the new CA and its cross-certificate",
      "! [2/5] introduce: Trust the old and the new CA everywhere",
      "! [3/5] reissue: Reissue the canary: instance-1/management",
      "! [4/5] observe: Watch that everything holds under the new CA",
      "! [5/5] retire: Stop trusting the old CA",
    ]);
  });

  test("goes on when the Admin Node Manager is away for a moment", async () => {
    const away = new DomainError("unreachable", "away");
    const admin = adminSeen([sampleRollout(1), away, away, completed]);
    const view = await followRollout(admin, new ScriptedTerminal(), id, wishes);
    expect(view.rollout.status).toBe("completed");
  });

  test("ends with another error at once", async () => {
    const admin = adminSeen([new DomainError("forbidden", "not you")]);
    await expect(followRollout(admin, new ScriptedTerminal(), id, wishes)).rejects.toThrow(
      "not you",
    );
  });

  test("ends with conflict when the rollout was rolled back", async () => {
    const admin = adminSeen([sampleRollout(3, { status: "rolled-back" })]);
    await expect(followRollout(admin, new ScriptedTerminal(), id, wishes)).rejects.toMatchObject({
      code: "conflict",
    });
  });

  test("asks a person for the reason of a waiver, and gives it with the phase and an end", async () => {
    const terminal = new ScriptedTerminal(["everybody was told"]);
    const admin = adminSeen([blocked, completed]);
    await followRollout(admin, terminal, id, wishes);
    expect(admin.calls.find(({ name }) => name === "waiveGate")?.input).toEqual({
      params: { id },
      body: {
        subject: "unmanaged:management",
        phase: "observe",
        reason: "everybody was told",
        lifetimeSeconds: 86_400,
      },
    });
  });

  test("takes the reason that was given beforehand when nobody can be asked", async () => {
    const admin = adminSeen([blocked, completed]);
    const given = { ...wishes, waiverReason: "no browsers here" };
    await followRollout(admin, new ScriptedTerminal(), id, given);
    expect(admin.calls.some(({ name }) => name === "waiveGate")).toBe(true);
  });

  test.each([
    ["nobody can be asked", null],
    ["the person gives no reason", [" "]],
  ])("ends with rollout-blocked and waives nothing when %s", async (_when, answers) => {
    const admin = adminSeen([blocked]);
    await expect(
      followRollout(admin, new ScriptedTerminal(answers), id, wishes),
    ).rejects.toMatchObject({ code: "rollout-blocked" });
    expect(admin.calls.some(({ name }) => name === "waiveGate")).toBe(false);
  });

  test("waits for somebody else's waiver when it only watches, until its timeout", async () => {
    const admin = adminSeen([blocked]);
    const watching = { asksPeople: false, timeoutSeconds: 0.5 };
    await expect(followRollout(admin, new ScriptedTerminal(), id, watching)).rejects.toMatchObject({
      code: "timeout",
    });
  });

  test("does not ask while something else is missing too", async () => {
    const other = { ...waitsForPeople, code: "host-silent" };
    const admin = adminSeen([sampleRollout(4, { blockers: [waitsForPeople, other] }), completed]);
    await followRollout(admin, new ScriptedTerminal(), id, wishes);
    expect(admin.calls.some(({ name }) => name === "waiveGate")).toBe(false);
  });
});

describe("barLine", () => {
  test.each([
    [
      sampleRollout(1),
      "[....................] 1/5 prepare: Make the new CA and its cross-certificate",
    ],
    [
      blocked,
      "[############........] 4/5 observe: Watch that everything holds under the new CA, waits: nobody has answered for the callers unmanaged:management",
    ],
    [completed, "[####################] 5/5 retire: Stop trusting the old CA"],
  ])("shows how far a rollout is, case %#", (view, line) => {
    expect(barLine(view as never)).toBe(line);
  });
});
