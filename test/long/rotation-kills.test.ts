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
const phases = ["prepare", "introduce", "issue", "reissue", "observe", "retire"] as const;
const killsPerPhase = 3;

/** Who is killed, as a run file below the home of host-2 (host-1 for the Admin Node Manager). */
const victims = [
  "Admin Node Manager",
  "Node Manager of its host",
  "Node Manager",
  "instance",
] as const;

async function kill(
  domain: LiveDomain,
  victim: (typeof victims)[number],
  instance: string,
): Promise<void> {
  if (victim === "Admin Node Manager") return domain.kill("host-1", "run/admin.json");
  if (victim === "Node Manager of its host") return domain.kill("host-1", "run/node.json");
  if (victim === "Node Manager") return domain.kill("host-2", "run/node.json");
  return domain.kill("host-2", `groups/group-2/${instance}/run/instance.json`);
}

describe.each(victims)("with kill -9 of the %s", (victim) => {
  test.each(phases)("three times in phase %s, a rotation under load completes", async (wanted) => {
    const domain = await LiveDomain.start(2);
    const spared = await domain.addInstance("host-1");
    const exposed = await domain.addInstance("host-2");
    const load = await LiveLoad.start(domain, [spared.port, exposed.port]);
    const id = await domain.roll(rotation);
    const { rollout } = await domain.follow(id, async (phase) => {
      if (phase !== wanted) return;
      for (let i = 0; i < killsPerPhase; i++) {
        await kill(domain, victim, exposed.id);
        await domain.call("getRollout", { params: { id } });
      }
    });
    await domain.waitForCredentials(() => true, 6);
    await load.stop();
    expect(rollout.status).toBe("completed");
    expect(load.at(spared.port).failures).toEqual([]);
    if (victim !== "instance") expect(load.at(exposed.port).failures).toEqual([]);
    expect((await domain.call("verifyAudit")).ok).toBe(true);
  });
});

describe("a rollback", () => {
  test.each(["introduce", "issue", "reissue", "observe"])(
    "begun in phase %s, with the Admin Node Manager killed on the way, ends rolled back",
    async (wanted) => {
      const domain = await LiveDomain.start(2);
      const instance = await domain.addInstance("host-2");
      const load = await LiveLoad.start(domain, [instance.port]);
      const id = await domain.roll(rotation);
      const { rollout } = await domain.follow(id, async (phase) => {
        if (phase === wanted) await domain.call("rollBackRollout", { params: { id } });
        if (phase === "return" || phase === "deny") await domain.kill("host-1", "run/admin.json");
      });
      await domain.waitForCredentials(() => true, 4);
      await load.stop();
      expect(rollout.status).toBe("rolled-back");
      expect(load.at(instance.port).failures).toEqual([]);
    },
  );
});
