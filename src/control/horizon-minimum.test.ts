import { describe, expect, test } from "vitest";
import {
  claimTestLease,
  issueFor,
  joinTestHost,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import type { HostId } from "../kit/index.ts";
import { renewShort } from "./horizon-minimum.ts";
import { checkPolicy, defaultPolicy, type Policy } from "./policy.ts";

const day = 86_400;

/** Two hosts whose leaves of 12 days were issued under a lower minimum than the one now. */
async function domain(policy: Partial<Policy> = {}): Promise<TestEnvironment> {
  const env = await testEnvironment({ policy: { leafLifetimeSeconds: 12 * day, ...policy } });
  await testControlDomain(env);
  await joinTestHost(env);
  await settleAgents(env);
  return env;
}

describe("renewShort", () => {
  const raised = (env: TestEnvironment, horizonMinSeconds: number): TestEnvironment => ({
    ...env,
    policy: { ...env.policy, leafLifetimeSeconds: 30 * day, horizonMinSeconds },
  });
  const all = ["nodemanager-1/management", "nodemanager-2/management"];

  test("wants a new certificate for each that is below a minimum that was raised, once", async () => {
    const env = raised(await domain(), 13 * day);
    const lead = await claimTestLease(env);
    expect((await renewShort(env, lead)).toSorted()).toEqual(all);
    expect(await renewShort(env, lead)).toEqual([]);
    const hostId = "host-2" as HostId;
    const { sequence } = await issueFor(env, hostId, "nodemanager-2/management");
    const credential = await env.store.read((view) => view.credentials.get(all[1] as never));
    expect(credential?.desired.minSequence).toBe(sequence);
    await settleAgents(env);
    expect(await renewShort(env, lead)).toEqual([]);
  });

  test("leaves alone what lasts, what is in its slot or past it, and what a CA could not better", async () => {
    const env = await domain();
    const lead = await claimTestLease(env);
    expect(await renewShort(raised(env, 11 * day), lead)).toEqual([]);
    const brief = await domain({ authorityLifetimeSeconds: 12 * day });
    expect(await renewShort(raised(brief, 13 * day), await claimTestLease(brief))).toEqual([]);
    env.clock.advance(6 * day * 1000);
    expect(await renewShort(raised(env, 13 * day), lead)).toEqual([]);
  });

  test("is refused to one that leads no more", async () => {
    const env = raised(await domain(), 13 * day);
    const { lease, fencingToken } = await claimTestLease(env);
    const stale = { lease, fencingToken: fencingToken - 1 };
    await expect(renewShort(env, stale)).rejects.toMatchObject({ code: "not-leader" });
  });
});

describe("checkPolicy", () => {
  test.each([
    ["the default", {}, null],
    ["a leaf that is as long as needed", { leafLifetimeSeconds: 18 * day }, null],
    [
      "a leaf that is too short",
      { leafLifetimeSeconds: 17 * day },
      "leaves of 17.0 days that are renewed after 7.1 last 9.9 days without the control plane at least, and the minimum is 10.0: make leafLifetimeSeconds longer, or horizonMinSeconds, renewAfterShare or renewalSlotShare smaller",
    ],
    ["a late renewal", { renewAfterShare: 0.7 }, /renewed after 23\.5 last 6\.5 days/],
    ["a CA that ends before its leaves", { authorityLifetimeSeconds: 20 * day }, /the CA/],
  ] as const)("judges %s", (_what, change, refusal) => {
    const check = (): void => checkPolicy({ ...defaultPolicy, ...change });
    if (refusal === null) expect(check).not.toThrow();
    else expect(check).toThrow(refusal);
  });
});
