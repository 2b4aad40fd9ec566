import { describe, expect, test } from "vitest";
import type { AuthorityId } from "../kit/index.ts";
import type { AuthorityStatus } from "../domain/index.ts";
import {
  claimTestLease,
  testActor as actor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { dayMs } from "../../test/support/certificates.ts";
import { advanceTo, settleAgents } from "../../test/support/instant-agents.ts";
import { currentTrust } from "./publish-trust.ts";
import { restoreAuthority, retireAuthority } from "./restore-authority.ts";
import { createPlan, startRollout, waiveGate, type PlanWish } from "./rollouts.ts";

const old = { id: "management-1" as AuthorityId, actor };
const rotation: PlanWish = {
  kind: "rotate-ca",
  usages: ["management"],
  observeSeconds: 0,
  subject: null,
};

/** A domain whose first management CA was just retired. */
async function rotated(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await settleAgents(env);
  const leadership = await claimTestLease(env);
  const { id } = await startRollout(env, (await createPlan(env, rotation, actor)).id, actor);
  const waiver = { subject: "unmanaged:management", phase: "observe", reason: "known" };
  await waiveGate(env, id, { ...waiver, lifetimeSeconds: 1e6 }, actor);
  expect(await advanceTo(env, leadership, id)).toEqual({ do: "finish" });
  return env;
}

/** The authorities that are trusted, and whether a cross-certificate is shown for each. */
async function trusted(env: TestEnvironment): Promise<[string, boolean][]> {
  const { anchors } = await env.store.read(currentTrust);
  return anchors.map(({ authorityId, crossCertificatePem }) => [
    authorityId,
    crossCertificatePem !== null,
  ]);
}

async function status(env: TestEnvironment): Promise<AuthorityStatus | undefined> {
  return env.store.read(async (view) => (await view.authorities.get(old.id))?.status);
}

describe("restoreAuthority", () => {
  test("trusts a retired CA and those it vouches for again, until it is retired by hand", async () => {
    const env = await rotated();
    const before = await trusted(env);
    expect(before).toEqual([
      ["traffic-1", false],
      ["management-2", false],
    ]);
    await restoreAuthority(env, old);
    expect(await status(env)).toBe("restored");
    expect(await trusted(env)).toEqual([
      ["traffic-1", false],
      ["management-2", true],
      ["management-1", false],
    ]);
    await retireAuthority(env, old);
    expect(await status(env)).toBe("retired");
    expect(await trusted(env)).toEqual(before);
  });

  test("is possible for 7 days, however often", async () => {
    const env = await rotated();
    env.clock.advance(7 * dayMs);
    await restoreAuthority(env, old);
    await retireAuthority(env, old);
    env.clock.advance(1);
    await expect(restoreAuthority(env, old)).rejects.toMatchObject({ code: "conflict" });
    expect(await status(env)).toBe("retired");
  });

  test("refuses a CA that is not retired, and one that does not exist", async () => {
    const env = await rotated();
    for (const [id, code] of [
      ["management-2", "conflict"],
      ["traffic-1", "conflict"],
      ["management-9", "not-found"],
    ] as const)
      await expect(restoreAuthority(env, { id: id as AuthorityId, actor })).rejects.toMatchObject({
        code,
      });
  });

  test("and its end are refused while a rollout changes trust", async () => {
    const env = await rotated();
    await startRollout(env, (await createPlan(env, rotation, actor)).id, actor);
    await expect(restoreAuthority(env, old)).rejects.toMatchObject({ code: "rollout-active" });
  });
});

describe("retireAuthority", () => {
  test("refuses a CA that is not restored", async () => {
    const env = await rotated();
    for (const id of ["management-1", "management-2"] as AuthorityId[])
      await expect(retireAuthority(env, { id, actor })).rejects.toMatchObject({ code: "conflict" });
  });

  test("refuses one that a connected host presents a certificate of", async () => {
    const env = await rotated();
    await restoreAuthority(env, old);
    await env.store.note(async (tx) => {
      const [seen] = await tx.observations.hosts();
      if (seen === undefined) throw new Error("host-1 has reported");
      const credentials = seen.credentials.map((credential) => ({
        ...credential,
        installed: credential.installed && { ...credential.installed, authorityId: old.id },
      }));
      await tx.observations.putHost({ ...seen, credentials });
    });
    await expect(retireAuthority(env, old)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("nodemanager-1/management"),
    });
    env.clock.advance(15_001);
    await retireAuthority(env, old);
  });
});
