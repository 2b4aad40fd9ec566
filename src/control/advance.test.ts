import { describe, expect, test } from "vitest";
import type { CredentialId, HostId, ProcessId, RolloutId } from "../kit/index.ts";
import {
  fits,
  type AuthorityStatus,
  type Credential,
  type TrustDocument,
} from "../domain/index.ts";
import {
  claimTestLease,
  issueFor,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { advanceTo, settleAgents } from "../../test/support/instant-agents.ts";
import { advanceRollout } from "./advance.ts";
import { createInstance } from "./instances.ts";
import type { Leadership } from "./leadership.ts";
import { currentTrust } from "./publish-trust.ts";
import { revoke } from "./revoke.ts";
import {
  createPlan,
  pauseRollout,
  rollBack,
  startRollout,
  waiveGate,
  type PlanWish,
} from "./rollouts.ts";

const actor = testActor;
const host1 = "host-1" as HostId;
const own = "nodemanager-1/management" as CredentialId;

interface Begun {
  readonly env: TestEnvironment;
  readonly leadership: Leadership;
  readonly id: RolloutId;
}

const rotation: PlanWish = {
  kind: "rotate-ca",
  usages: ["management"],
  observeSeconds: 0,
  subject: null,
};

/** A domain with one instance in which a rotation of the management CA has just begun. */
async function begun(wish = rotation, store: "memory" | "sqlite" = "memory"): Promise<Begun> {
  const env = await testEnvironment({ store });
  await testControlDomain(env);
  await createInstance(env, { name: "one", group: "edge", hostId: host1, actor });
  await settleAgents(env);
  const leadership = await claimTestLease(env);
  const { id } = await startRollout(env, (await createPlan(env, wish, actor)).id, actor);
  if (wish.kind === "rotate-ca") {
    const waiver = { subject: "unmanaged:management", phase: "observe", reason: "known" };
    await waiveGate(env, id, { ...waiver, lifetimeSeconds: 1e6 }, actor);
  }
  return { env, leadership, id };
}

function rolloutOf({ env, id }: Begun) {
  return env.store.read((view) => view.rollouts.get(id));
}

function statuses(env: TestEnvironment): Promise<Record<string, AuthorityStatus>> {
  return env.store.read(async (view) =>
    Object.fromEntries((await view.authorities.all()).map(({ id, status }) => [id, status])),
  );
}

function trustOf(env: TestEnvironment): Promise<TrustDocument> {
  return env.store.read(currentTrust);
}

async function credentialOf(env: TestEnvironment, id: CredentialId): Promise<Credential> {
  const found = await env.store.read((view) => view.credentials.get(id));
  if (found === undefined) throw new Error(`there is no ${id}`);
  return found;
}

function stepsTaken(env: TestEnvironment): Promise<string[]> {
  return env.store.read(async (view) =>
    (await view.audit.page({}, 1000))
      .filter(({ action }) => action === "rollout.step")
      .map(({ subject }) => subject.split(" ")[1] ?? ""),
  );
}

describe("a rotation", () => {
  test.each(["memory", "sqlite"] as const)(
    "runs to its end when agents keep up, on the store %s",
    async (store) => {
      const of = await begun(rotation, store);
      expect(await advanceTo(of.env, of.leadership, of.id)).toEqual({ do: "finish" });
      expect(await rolloutOf(of)).toMatchObject({ status: "completed", todo: [] });
      expect(await statuses(of.env)).toMatchObject({
        "management-1": "retired",
        "management-2": "current",
        "traffic-1": "current",
      });
      expect(await stepsTaken(of.env)).toEqual([
        "prepare",
        "introduce",
        "issue",
        "reissue-1",
        "reissue-2",
        "reissue-rest",
        "observe",
        "retire",
        "forget",
      ]);
    },
  );

  test("trusts nobody new in prepare, and old and new with a cross-certificate in introduce", async () => {
    const of = await begun();
    const before = await trustOf(of.env);
    await advanceTo(of.env, of.leadership, of.id, "prepare");
    expect((await trustOf(of.env)).anchors).toEqual(before.anchors);
    expect((await statuses(of.env))["management-2"]).toBe("next");
    await advanceTo(of.env, of.leadership, of.id, "introduce");
    expect((await trustOf(of.env)).anchors.map(({ authorityId }) => authorityId)).toEqual([
      "management-1",
      "traffic-1",
      "management-2",
    ]);
    const added = (await trustOf(of.env)).anchors.at(-1);
    expect(added?.crossCertificatePem).toContain("BEGIN CERTIFICATE");
  });

  test("signs newcomers with the new CA from issue on, and renews the others with the old", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "issue");
    expect(await statuses(of.env)).toMatchObject({
      "management-1": "previous",
      "management-2": "current",
    });
    const { instance } = await createInstance(of.env, {
      name: "two",
      group: "edge",
      hostId: host1,
      actor,
    });
    const newcomer = await issueFor(of.env, host1, `${instance.id}/management`);
    expect(newcomer.authorityId).toBe("management-2");
    expect((await issueFor(of.env, host1, own)).authorityId).toBe("management-1");
  });

  test("reissues what was created under the old CA before the new one was current", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "introduce");
    await createInstance(of.env, { name: "two", group: "edge", hostId: host1, actor });
    await issueFor(of.env, host1, "instance-2/management");
    await advanceTo(of.env, of.leadership, of.id, "reissue-rest");
    expect((await credentialOf(of.env, "instance-2/management" as CredentialId)).desired).toEqual({
      authorityId: "management-2",
      minSequence: 2,
      maxSequence: null,
    });
  });

  test("takes the old CA and every cross-certificate from it away in retire", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "retire");
    const { anchors, denied } = await trustOf(of.env);
    expect(anchors.map((a) => [a.authorityId, a.crossCertificatePem])).toEqual([
      ["traffic-1", null],
      ["management-2", null],
    ]);
    expect(denied).toEqual([]);
  });

  test("forgets the superseded keys at its end, in trust and host documents alike", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id);
    const { recorded } = await credentialOf(of.env, own);
    expect(recorded.map(({ authorityId }) => authorityId)).toEqual(["management-2"]);
    expect((await trustOf(of.env)).admins[0]?.keys).toEqual(recorded.map(({ spki }) => spki));
  });
});

describe("a rollback", () => {
  test("presents the earlier generation again, then denies what was introduced", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "reissue-2");
    await settleAgents(of.env);
    const earlier = await credentialOf(of.env, own);
    expect(earlier.recorded.map(({ confirmed }) => confirmed)).toEqual([true, true]);
    await rollBack(of.env, of.id, actor);
    expect(await advanceTo(of.env, of.leadership, of.id)).toEqual({ do: "finish" });
    expect(await rolloutOf(of)).toMatchObject({ status: "rolled-back" });
    expect(await statuses(of.env)).toMatchObject({
      "management-1": "current",
      "management-2": "abandoned",
    });
    const { anchors, denied } = await trustOf(of.env);
    expect(anchors.map(({ authorityId }) => authorityId)).toEqual(["management-1", "traffic-1"]);
    expect(denied.map(({ kind }) => kind)).toEqual(["certificate", "certificate"]);
    expect((await credentialOf(of.env, own)).desired).toEqual({
      authorityId: "management-1",
      minSequence: 1,
      maxSequence: 1,
    });
  });

  test("keeps the key that is presented again recorded when the next report arrives", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "reissue-2");
    await settleAgents(of.env);
    await rollBack(of.env, of.id, actor);
    await advanceTo(of.env, of.leadership, of.id);
    await settleAgents(of.env);
    const { recorded } = await credentialOf(of.env, own);
    expect(recorded.map(({ sequence }) => sequence)).toContain(1);
  });

  test("does not believe reports from before it that what it wants is presented", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "reissue-1");
    // The instance has its new certificate by now; no report says so yet.
    await rollBack(of.env, of.id, actor);
    await advanceRollout(of.env, of.leadership, of.id, null);
    const move = await advanceRollout(of.env, of.leadership, of.id, null);
    expect(move.do).toBe("wait");
    await settleAgents(of.env);
    expect(await advanceRollout(of.env, of.leadership, of.id, null)).toMatchObject({
      do: "apply",
      step: { id: "deny" },
    });
  });

  test("wants a first certificate of the earlier CA for what never had one", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "issue");
    await createInstance(of.env, { name: "two", group: "edge", hostId: host1, actor });
    await issueFor(of.env, host1, "instance-2/management");
    await rollBack(of.env, of.id, actor);
    await advanceTo(of.env, of.leadership, of.id);
    expect((await credentialOf(of.env, "instance-2/management" as CredentialId)).desired).toEqual({
      authorityId: "management-1",
      minSequence: 2,
      maxSequence: null,
    });
  });

  test.each([
    ["every key of it", { process: "instance-1" as ProcessId }],
    ["the certificate from before", "serial"],
  ])("never wants a denied generation again: %s was revoked meanwhile", async (_, what) => {
    const of = await begun();
    const id = "instance-1/management" as CredentialId;
    const [earlier] = (await credentialOf(of.env, id)).recorded;
    await advanceTo(of.env, of.leadership, of.id, "reissue-1");
    await settleAgents(of.env);
    const request = what === "serial" ? { serial: earlier?.serial ?? "" } : what;
    await revoke(of.env, { ...(request as { serial: string }), reason: "stolen", actor });
    await settleAgents(of.env);
    await rollBack(of.env, of.id, actor);
    expect(await advanceTo(of.env, of.leadership, of.id)).toEqual({ do: "finish" });
    const { desired, recorded, lastSequence } = await credentialOf(of.env, id);
    expect(desired).toEqual({
      authorityId: "management-1",
      minSequence: lastSequence,
      maxSequence: null,
    });
    const presented = recorded.find((key) => fits(key, desired));
    const { denied } = await trustOf(of.env);
    expect(denied.map(({ fingerprint }) => fingerprint)).not.toContain(presented?.spki);
  });

  test("of new leaves ends without touching trust anchors", async () => {
    const of = await begun({ kind: "replace-leaves", credentials: null });
    const before = (await trustOf(of.env)).anchors;
    await advanceTo(of.env, of.leadership, of.id, "reissue-1");
    await rollBack(of.env, of.id, actor);
    expect(await advanceTo(of.env, of.leadership, of.id)).toEqual({ do: "finish" });
    expect((await trustOf(of.env)).anchors).toEqual(before);
  });

  test("of a rollout that has done nothing ends at once", async () => {
    const of = await begun();
    await rollBack(of.env, of.id, actor);
    expect(await advanceRollout(of.env, of.leadership, of.id, null)).toEqual({ do: "finish" });
    expect(await rolloutOf(of)).toMatchObject({ status: "rolled-back", done: [] });
  });
});

describe("advanceRollout", () => {
  test("makes no move while the gate does not hold, nor while paused", async () => {
    const of = await begun();
    const advance = () => advanceRollout(of.env, of.leadership, of.id, null);
    await advance();
    await advance();
    const move = await advance();
    expect(move.do === "wait" && move.blockers.map(({ code }) => code)).toContain(
      "trust-not-loaded",
    );
    expect(await stepsTaken(of.env)).toEqual(["prepare", "introduce"]);
    await pauseRollout(of.env, of.id, actor);
    await settleAgents(of.env);
    expect(await advance()).toEqual({ do: "nothing" });
    expect(await stepsTaken(of.env)).toEqual(["prepare", "introduce"]);
  });

  test("refuses a leader whose fencing token is not the newest, and writes nothing", async () => {
    const of = await begun();
    await claimTestLease(of.env);
    const before = await rolloutOf(of);
    await expect(advanceRollout(of.env, of.leadership, of.id, null)).rejects.toMatchObject({
      code: "not-leader",
    });
    expect(await rolloutOf(of)).toEqual(before);
    expect(await stepsTaken(of.env)).toEqual([]);
    expect((await statuses(of.env))["management-2"]).toBeUndefined();
  });

  test("applies each step once when two leaders' turns overlap", async () => {
    const of = await begun();
    const turns = [1, 2, 3].map(() => advanceRollout(of.env, of.leadership, of.id, null));
    await Promise.allSettled(turns);
    expect((await stepsTaken(of.env)).toSorted()).toEqual([
      ...new Set((await stepsTaken(of.env)).toSorted()),
    ]);
    const done = (await rolloutOf(of))?.done.map(({ step }) => step.id) ?? [];
    expect(done).toEqual([...new Set(done)]);
  });

  test("is repeated without harm when its preparations were made and its transaction was not", async () => {
    const of = await begun();
    const { store } = of.env;
    const failing = Object.assign(Object.create(store) as typeof store, {
      read: store.read.bind(store),
      write: () => Promise.reject(new Error("killed")),
    });
    const killed = { ...of.env, store: failing };
    await expect(advanceRollout(killed, of.leadership, of.id, null)).rejects.toThrow("killed");
    const key = await of.env.authorityKeys.create("management-2" as never);
    expect(await advanceTo(of.env, of.leadership, of.id)).toEqual({ do: "finish" });
    expect(await of.env.authorityKeys.create("management-2" as never)).toEqual(key);
  });

  test("takes no step, and leaves no audit record of one, when the gate stops holding meanwhile", async () => {
    const of = await begun();
    await advanceTo(of.env, of.leadership, of.id, "introduce");
    await settleAgents(of.env);
    const { store } = of.env;
    const racing = Object.assign(Object.create(store) as typeof store, {
      read: store.read.bind(store),
      async write(...args: Parameters<typeof store.write>) {
        await pauseRollout(of.env, of.id, actor);
        return store.write(...args);
      },
    });
    await expect(
      advanceRollout({ ...of.env, store: racing }, of.leadership, of.id, null),
    ).rejects.toMatchObject({ code: "conflict" });
    expect(await stepsTaken(of.env)).toEqual(["prepare", "introduce"]);
  });

  test("holds for as long as the step asks", async () => {
    const of = await begun({ ...rotation, observeSeconds: 30 });
    const move = await advanceTo(of.env, of.leadership, of.id, "observe");
    expect(move).toEqual({ do: "nothing" });
    await settleAgents(of.env);
    const startedMs = of.env.clock.nowMs();
    const advance = () => advanceRollout(of.env, of.leadership, of.id, startedMs);
    expect(await advance()).toEqual({ do: "hold", untilMs: startedMs + 30_000 });
    of.env.clock.advance(30_000);
    await settleAgents(of.env);
    expect(await advance()).toMatchObject({ do: "apply", step: { id: "retire" } });
  });

  test("writes each step with its audit record, at the leader's hand", async () => {
    const of = await begun();
    await advanceRollout(of.env, of.leadership, of.id, null);
    const records = await of.env.store.read((view) => view.audit.page({}, 1000));
    expect(records.at(-1)).toMatchObject({
      actor: "system:leader",
      action: "rollout.step",
      subject: `${of.id} prepare`,
    });
    const issued = await of.env.store.read((view) => view.issuances.page({}, 100));
    expect(issued.slice(-2).map(({ issuance }) => issuance.kind)).toEqual(["root", "cross"]);
  });
});
