import { describe, expect, test } from "vitest";
import type { RouteBody } from "../../src/contract/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";

const rotation: RouteBody<"createPlan"> = {
  kind: "rotate-ca",
  usages: ["management", "traffic"],
  observeSeconds: 1,
  subject: null,
};
const phases = ["prepare", "introduce", "issue", "reissue", "observe", "retire"];

/** One rotation under load, with the victim killed at the boundary of every phase that is seen. */
async function rotateWhileKilling(victim: (domain: LiveDomain, instance: string) => Promise<void>) {
  const domain = await LiveDomain.start(2);
  const spared = await domain.addInstance("host-1");
  const exposed = await domain.addInstance("host-2");
  const load = await LiveLoad.start(domain, [spared.port, exposed.port]);
  const id = await domain.roll(rotation);
  const killed: string[] = [];
  const { rollout } = await domain.follow(id, async (phase) => {
    killed.push(phase);
    await victim(domain, exposed.id);
  });
  await domain.waitForCredentials(() => true, 6);
  await load.stop();
  const { ok } = await domain.call("verifyAudit");
  return { rollout, killed, ok, spared: load.at(spared.port), exposed: load.at(exposed.port) };
}

describe("a CA rotation under load", () => {
  test("completes without a failed request when the Admin Node Manager is killed at every phase", async () => {
    const { rollout, killed, ok, spared, exposed } = await rotateWhileKilling((domain) =>
      domain.kill("host-1", "run/admin.json"),
    );
    expect(rollout.status).toBe("completed");
    expect(phases).toEqual(expect.arrayContaining(killed));
    expect(killed.length).toBeGreaterThanOrEqual(4);
    expect([spared.failures, exposed.failures]).toEqual([[], []]);
    expect(spared.requests + exposed.requests).toBeGreaterThan(200);
    expect(ok).toBe(true);
  });

  test("completes without a failed request when a Node Manager is killed at every phase", async () => {
    const { rollout, killed, spared, exposed } = await rotateWhileKilling((domain) =>
      domain.kill("host-2", "run/node.json"),
    );
    expect(rollout.status).toBe("completed");
    expect(killed.length).toBeGreaterThanOrEqual(4);
    expect([spared.failures, exposed.failures]).toEqual([[], []]);
  });

  test("completes, and the other instance serves on, when an instance is killed at every phase", async () => {
    const { rollout, killed, spared } = await rotateWhileKilling((domain, instance) =>
      domain.kill("host-2", `groups/group-2/${instance}/run/instance.json`),
    );
    expect(rollout.status).toBe("completed");
    expect(killed.length).toBeGreaterThanOrEqual(4);
    expect(spared.failures).toEqual([]);
  });

  test("rolls back under load from the reissue phase, and the abandoned CA is denied", async () => {
    const domain = await LiveDomain.start(2);
    const instance = await domain.addInstance("host-2");
    const load = await LiveLoad.start(domain, [instance.port]);
    const before = await domain.call("listAuthorities");
    const id = await domain.roll(rotation);
    const { rollout } = await domain.follow(id, async (phase) => {
      if (phase === "reissue") await domain.call("rollBackRollout", { params: { id } });
    });
    expect(rollout.status).toBe("rolled-back");
    await domain.waitForCredentials(() => true, 4);
    await load.stop();
    expect(load.at(instance.port).failures).toEqual([]);
    const { authorities } = await domain.call("listAuthorities");
    expect(
      authorities
        .filter((authority) => authority.status === "current")
        .map((authority) => authority.id)
        .sort(),
    ).toEqual(before.authorities.map((authority) => authority.id).sort());
    expect(authorities.filter((authority) => authority.status === "abandoned")).toHaveLength(2);
  });
});
