import { describe, expect, test } from "vitest";
import type { CredentialId, HostId, PlanId, RolloutId } from "../kit/index.ts";
import type { Rollout } from "../planning/index.ts";
import {
  claimTestLease,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { advanceTo, settleAgents } from "../../test/support/instant-agents.ts";
import { createInstance } from "./instances.ts";
import {
  createPlan,
  pauseRollout,
  requirePlan,
  resumeRollout,
  rollBack,
  startRollout,
  waiveGate,
  type PlanWish,
} from "./rollouts.ts";
import { createRelyingParty } from "./accounts.ts";

const actor = testActor;
const rotate: PlanWish = {
  kind: "rotate-ca",
  usages: ["management"],
  observeSeconds: 0,
  subject: null,
};
const replace: PlanWish = { kind: "replace-leaves", credentials: null };

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await settleAgents(env);
  return env;
}

async function start(env: TestEnvironment, wish = rotate): Promise<Rollout> {
  return startRollout(env, (await createPlan(env, wish, actor)).id, actor);
}

function lastAudit(env: TestEnvironment) {
  return env.store.read(async (view) => (await view.audit.page({}, 1000)).at(-1));
}

describe("createPlan", () => {
  test("computes and keeps a plan, and changes nothing that agents see", async () => {
    const env = await domain();
    const revision = await env.store.revision();
    const plan = await createPlan(env, rotate, actor);
    expect(plan).toMatchObject({
      parentRevision: revision,
      createdBy: actor,
      problems: [],
      successions: [
        {
          usage: "management",
          from: "management-1",
          to: "management-2",
          subject: "CN=Domain 2",
        },
      ],
    });
    expect(await env.store.revision()).toBe(revision);
    expect(await env.store.read((view) => view.rollouts.plan(plan.id))).toEqual(plan);
  });

  test("a plan that is looked for and does not exist is refused with how to make one", async () => {
    const { store } = await domain();
    await expect(store.read((view) => requirePlan(view, "plan-9" as PlanId))).rejects.toMatchObject(
      {
        code: "not-found",
        message: "there is no plan plan-9: make one with `gatehouse plan`",
      },
    );
  });

  test("gives no two plans the same new authority", async () => {
    const env = await domain();
    const both: PlanWish = { ...rotate, usages: ["management", "traffic"] };
    const plans = [await createPlan(env, both, actor), await createPlan(env, both, actor)];
    const names = plans.flatMap(({ successions }) => successions.map(({ to }) => to));
    expect(new Set(names).size).toBe(4);
  });

  test("takes the subject that is given, and names the domain in that of a traffic CA", async () => {
    const env = await domain();
    const named = await createPlan(env, { ...rotate, subject: "CN=Chosen" }, actor);
    expect(named.successions[0]?.subject).toBe("CN=Chosen");
    const traffic = await createPlan(env, { ...rotate, usages: ["traffic"] }, actor);
    expect(traffic.successions[0]?.subject).toMatch(/^CN=Traffic CA \d+,OU=domain\.example$/);
  });

  test("refuses a credential that does not exist", async () => {
    const env = await domain();
    const credentials = ["instance-9/traffic" as CredentialId];
    await expect(
      createPlan(env, { kind: "replace-leaves", credentials }, actor),
    ).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("startRollout", () => {
  test("starts the plan that was looked at, with its steps still to come", async () => {
    const env = await domain();
    const plan = await createPlan(env, rotate, actor);
    const rollout = await startRollout(env, plan.id, actor);
    expect(rollout).toMatchObject({ status: "running", planId: plan.id, done: [], version: 1 });
    expect(rollout.todo).toEqual(plan.steps);
    expect(await lastAudit(env)).toMatchObject({
      actor,
      action: "rollout.start",
      subject: rollout.id,
      detail: { plan: plan.id },
    });
  });

  test("refuses a plan that is stale: the domain changed since it was computed", async () => {
    const env = await domain();
    const plan = await createPlan(env, rotate, actor);
    const hostId = "host-1" as HostId;
    await createInstance(env, { name: "one", group: "edge", hostId, actor });
    await expect(startRollout(env, plan.id, actor)).rejects.toMatchObject({ code: "plan-stale" });
    expect(await env.store.read((view) => view.rollouts.open())).toEqual([]);
  });

  test("refuses a plan with an error among its problems, and one that does not exist", async () => {
    const env = await domain();
    const plan = await createPlan(env, { ...rotate, subject: "CN=Domain" }, actor);
    await expect(startRollout(env, plan.id, actor)).rejects.toMatchObject({ code: "plan-unsafe" });
    await expect(startRollout(env, "plan-9" as PlanId, actor)).rejects.toMatchObject({
      code: "not-found",
    });
  });

  test.each<[string, PlanWish, PlanWish]>([
    ["a rotation", rotate, rotate],
    ["new leaves during a rotation", rotate, replace],
    ["a rotation during new leaves", replace, rotate],
  ])("refuses a second rollout: %s", async (_, first, second) => {
    const env = await domain();
    const { id } = await start(env, first);
    for (const change of [
      async () => undefined,
      () => pauseRollout(env, id, actor),
      () => rollBack(env, id, actor),
    ]) {
      await change();
      await expect(start(env, second)).rejects.toMatchObject({ code: "rollout-active" });
    }
  });

  test("refuses the same plan a second time", async () => {
    const env = await domain();
    const plan = await createPlan(env, rotate, actor);
    await startRollout(env, plan.id, actor);
    await expect(startRollout(env, plan.id, actor)).rejects.toMatchObject({ code: "plan-stale" });
  });

  test("takes another plan when the first rollout is over", async () => {
    const env = await domain();
    const leadership = await claimTestLease(env);
    const { id } = await start(env, replace);
    expect(await advanceTo(env, leadership, id)).toEqual({ do: "finish" });
    expect((await start(env)).status).toBe("running");
  });
});

describe("pause and resume", () => {
  test("go back to where it was, running or rolling back", async () => {
    const env = await domain();
    const { id } = await start(env);
    expect(await pauseRollout(env, id, actor)).toMatchObject({
      status: "paused",
      pausedFrom: "running",
    });
    expect(await resumeRollout(env, id, actor)).toMatchObject({
      status: "running",
      pausedFrom: null,
    });
    await rollBack(env, id, actor);
    expect(await pauseRollout(env, id, actor)).toMatchObject({ pausedFrom: "rolling-back" });
    expect(await resumeRollout(env, id, actor)).toMatchObject({ status: "rolling-back" });
  });

  test("are refused where they make no sense", async () => {
    const env = await domain();
    const { id } = await start(env);
    await expect(resumeRollout(env, id, actor)).rejects.toMatchObject({ code: "conflict" });
    await pauseRollout(env, id, actor);
    await expect(pauseRollout(env, id, actor)).rejects.toMatchObject({ code: "conflict" });
    const unknown = "rollout-9" as RolloutId;
    await expect(pauseRollout(env, unknown, actor)).rejects.toMatchObject({ code: "not-found" });
  });

  test("raise the version and are audited each time", async () => {
    const env = await domain();
    const { id } = await start(env);
    expect((await pauseRollout(env, id, "user:eve")).version).toBe(2);
    expect(await lastAudit(env)).toMatchObject({ actor: "user:eve", action: "rollout.pause" });
    expect((await resumeRollout(env, id, actor)).version).toBe(3);
    expect(await lastAudit(env)).toMatchObject({ action: "rollout.resume", subject: id });
  });
});

describe("rollBack", () => {
  test("replaces the coming steps by the way back, also from a pause", async () => {
    const env = await domain();
    const leadership = await claimTestLease(env);
    const { id } = await start(env);
    await advanceTo(env, leadership, id, "issue");
    await pauseRollout(env, id, actor);
    const rollout = await rollBack(env, id, actor);
    expect(rollout).toMatchObject({ status: "rolling-back", pausedFrom: null });
    expect(rollout.todo.map((step) => step.id)).toEqual(["return", "deny"]);
    expect(rollout.done.every(({ heldAtMs }) => heldAtMs !== null)).toBe(true);
  });

  test("is refused a second time, also while paused", async () => {
    const env = await domain();
    const { id } = await start(env);
    await rollBack(env, id, actor);
    await expect(rollBack(env, id, actor)).rejects.toMatchObject({ code: "conflict" });
    await pauseRollout(env, id, actor);
    await expect(rollBack(env, id, actor)).rejects.toMatchObject({ code: "conflict" });
  });

  test("is refused once the old CA is being retired", async () => {
    const env = await domain();
    const leadership = await claimTestLease(env);
    const { id } = await start(env);
    await waive(env, id, "unmanaged:management", "observe");
    await advanceTo(env, leadership, id, "retire");
    await expect(rollBack(env, id, actor)).rejects.toMatchObject({ code: "plan-unsafe" });
    expect((await env.store.read((view) => view.rollouts.get(id)))?.status).toBe("running");
  });

  test("is refused when the rollout is over", async () => {
    const env = await domain();
    const leadership = await claimTestLease(env);
    const { id } = await start(env, replace);
    await advanceTo(env, leadership, id);
    for (const change of [rollBack, pauseRollout, resumeRollout])
      await expect(change(env, id, actor)).rejects.toMatchObject({ code: "conflict" });
  });
});

function waive(env: TestEnvironment, id: RolloutId, subject: string, phase: string) {
  return waiveGate(env, id, { subject, phase, reason: "known", lifetimeSeconds: 60 }, "user:eve");
}

describe("waiveGate", () => {
  test("keeps who, why, for what and until when, and is audited", async () => {
    const env = await domain();
    const { id } = await start(env);
    const { waivers } = await waive(env, id, "host-1", "introduce");
    expect(waivers).toEqual([
      {
        subject: "host-1",
        phase: "introduce",
        reason: "known",
        person: "user:eve",
        endsAtMs: env.clock.nowMs() + 60_000,
      },
    ]);
    expect(await lastAudit(env)).toMatchObject({ actor: "user:eve", action: "rollout.waive" });
  });

  test.each(["nobody", "host-9", "instance-1", "unmanaged:traffic"])(
    "is refused for %s, whom the rollout could not wait for",
    async (subject) => {
      const env = await domain();
      const { id } = await start(env);
      await expect(waive(env, id, subject, "introduce")).rejects.toMatchObject({
        code: "not-found",
        message: expect.stringMatching(/`gatehouse status` lists, or unmanaged:management$/),
      });
      expect((await env.store.read((view) => view.rollouts.get(id)))?.waivers).toEqual([]);
    },
  );

  test("takes a managed relying party, and the callers that nobody can observe", async () => {
    const env = await domain();
    const { id: party } = await createRelyingParty(env, { name: "shop", actor });
    const { id } = await start(env);
    await waive(env, id, party, "introduce");
    const { waivers } = await waive(env, id, "unmanaged:management", "observe");
    expect(waivers.map(({ subject }) => subject)).toEqual([party, "unmanaged:management"]);
  });

  test("is refused for a phase that the rollout does not have", async () => {
    const env = await domain();
    const { id } = await start(env, replace);
    await expect(waive(env, id, "host-1", "introduce")).rejects.toMatchObject({
      code: "invalid-input",
    });
  });
});
