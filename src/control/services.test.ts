import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { CredentialId, HostId } from "../kit/index.ts";
import {
  claimTestLease,
  issueFor,
  joinTestHost,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { advanceTo, settleAgents } from "../../test/support/instant-agents.ts";
import { testTraits } from "../../test/support/topologies.ts";
import { advanceRollout } from "./advance.ts";
import { desiredStateOf } from "./desired-state.ts";
import { deleteHost } from "./instances.ts";
import { renewByPlan } from "./planned-renewals.ts";
import { currentTrust } from "./publish-trust.ts";
import { createPlan, rollBack, startRollout, waiveGate } from "./rollouts.ts";
import { applyServices, deleteService, type ServiceDeclaration } from "./services.ts";
import { switchOver } from "./switch-over.ts";

const actor = testActor;
const member = { variables: {}, dnsNames: [], pair: null, enabled: true };

const cache: ServiceDeclaration = {
  name: "cache",
  shape: "pair",
  driver: {
    name: "server",
    traits: { ...testTraits, roles: "driver" },
    description: { name: "server" },
  },
  supervised: true,
  maxUnavailable: 1,
  dnsNames: ["cache.example"],
  foundCaPem: null,
  isBuiltIn: false,
  members: [
    { ...member, name: "a", host: "host-1", dnsNames: ["a.example"] },
    { ...member, name: "b", host: "host-2", variables: { port: 2 } },
  ],
};

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  return env;
}

function read(env: TestEnvironment) {
  return env.store.read(async (view) => ({
    services: await view.topology.services(),
    members: await view.topology.members(),
    authorities: await view.authorities.all(),
    credentials: await view.credentials.all(),
    trust: await currentTrust(view),
  }));
}

describe("applyServices", () => {
  test("makes a service with an authority of its own, and its members with a credential each", async () => {
    const env = await domain();
    expect(await applyServices(env, [cache], actor)).toEqual([
      { id: "service-1", name: "cache", changes: ["created", "member a added", "member b added"] },
    ]);
    const { services, members, authorities, credentials, trust } = await read(env);
    expect(services).toMatchObject([
      { id: "service-1", active: { member: "member-1", by: "promotion" } },
    ]);
    const [authority] = authorities.filter(({ usage }) => usage === "service-1");
    expect(authority).toMatchObject({ status: "current", signing: "generated" });
    expect(trust.anchors).toContainEqual(
      expect.objectContaining({ authorityId: authority?.id, usage: "service-1" }),
    );
    expect(members).toMatchObject([
      { id: "member-1", hostId: "host-1", trusts: [authority?.id] },
      { id: "member-2", hostId: "host-2", trusts: [authority?.id], variables: { port: 2 } },
    ]);
    expect(credentials.filter(({ usage }) => usage === "service-1").map(({ id }) => id)).toEqual([
      "member-1/service-1",
      "member-2/service-1",
    ]);
  });

  test("tells the Node Manager of each host of its members, their roles and the others", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    const desired = await env.store.read((view) =>
      desiredStateOf(view, env, { hostId: "host-2" as HostId, epoch: 0, revision: 1 }),
    );
    expect(desired.members).toMatchObject([
      {
        id: "member-2",
        serviceName: "cache",
        role: { role: "standby", by: "promotion" },
        others: [{ id: "member-1", name: "a", variables: {} }],
        description: { name: "server" },
      },
    ]);
  });

  test("issues certificates that are server and client, for the names of service and member", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    const { der } = await issueFor(env, "host-1" as HostId, "member-1/service-1" as CredentialId);
    const { subjectAltName, keyUsage } = new X509Certificate(der);
    expect(subjectAltName).toMatch(/^DNS:a\.example, DNS:cache\.example, /);
    expect(keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  });

  test("changes what differs, and nothing the second time", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    const revision = await env.store.revision();
    expect((await applyServices(env, [cache], actor))[0]?.changes).toEqual([]);
    expect(await env.store.revision()).toBe(revision);
    const [a, b] = cache.members;
    if (a === undefined || b === undefined) throw new Error("cache has two members");
    const changed = { ...cache, members: [a, { ...b, variables: { port: 3 } }] };
    expect((await applyServices(env, [changed], actor))[0]?.changes).toEqual(["member b changed"]);
    const replaced = { ...cache, members: [b, { ...a, name: "c" }] };
    expect((await applyServices(env, [replaced], actor))[0]?.changes).toEqual([
      "member b changed",
      "member c added",
      "member a removed",
    ]);
    const { services, members, credentials } = await read(env);
    expect(members.map(({ name }) => name)).toEqual(["b", "c"]);
    expect(services[0]?.active?.member).toBe("member-2");
    expect(credentials.some(({ id }) => id === "member-1/service-1")).toBe(false);
  });

  test("wants a new certificate for a member whose names changed", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    await settleAgents(env);
    await applyServices(env, [{ ...cache, dnsNames: ["other.example"] }], actor);
    const { credentials } = await read(env);
    const wanted = credentials.filter(({ usage }) => usage === "service-1");
    expect(wanted.map(({ desired }) => desired.minSequence)).toEqual([2, 2]);
  });

  test("refuses a host that is not there, and a member that is to move to another", async () => {
    const env = await domain();
    const at = (host: string) => ({
      ...cache,
      members: cache.members.map((each) => (each.name === "b" ? { ...each, host } : each)),
    });
    await expect(applyServices(env, [at("host-9")], actor)).rejects.toMatchObject({
      code: "not-found",
    });
    const others = applyServices(env, [{ ...cache, name: "first" }, at("host-9")], actor);
    await expect(others).rejects.toMatchObject({ code: "not-found" });
    expect((await read(env)).services).toEqual([]);
    await applyServices(env, [cache], actor);
    await expect(applyServices(env, [at("host-1")], actor)).rejects.toMatchObject({
      code: "conflict",
    });
  });

  test("refuses two members on one host that have a folder or a port in common", async () => {
    const env = await domain();
    const both = (variables: Record<string, string | number>): ServiceDeclaration => ({
      ...cache,
      members: cache.members.map((each) => ({ ...each, host: "host-1", variables })),
    });
    for (const variables of [{ folder: "/srv/a" }, { port: 1 }, { port: 1, host: "127.0.0.1" }])
      await expect(applyServices(env, [both(variables)], actor)).rejects.toMatchObject({
        code: "already-exists",
        message: expect.stringMatching(/members a of service cache and b \(member-\d+\)/) as string,
      });
    expect((await read(env)).services).toEqual([]);
  });

  test("takes the CA of files that were placed by hand as its first, and leaves them in use", async () => {
    const env = await domain();
    const ca = (await read(env)).authorities[0]?.certificatePem ?? "";
    await applyServices(env, [{ ...cache, foundCaPem: ca }], actor);
    const { authorities, credentials } = await read(env);
    const [found] = authorities.filter(({ usage }) => usage === "service-1");
    expect(found).toMatchObject({ status: "current", signing: "external", holders: [] });
    const [credential] = credentials.filter(({ usage }) => usage === "service-1");
    expect(credential?.desired).toEqual({
      authorityId: found?.id,
      minSequence: 0,
      maxSequence: 0,
    });
  });
});

test("deleteService removes members, credentials, keys and trust; a host with members stays until then", async () => {
  const env = await domain();
  await applyServices(env, [cache], actor);
  await settleAgents(env);
  await expect(deleteHost(env, { id: "host-2" as HostId, actor })).rejects.toMatchObject({
    code: "still-running",
    message: expect.stringContaining("member-2") as string,
  });
  await deleteService(env, { name: "cache", actor });
  const { services, members, credentials, trust, authorities } = await read(env);
  expect([services, members, credentials.filter(({ usage }) => usage === "service-1")]).toEqual([
    [],
    [],
    [],
  ]);
  expect(trust.anchors.some(({ usage }) => usage === "service-1")).toBe(false);
  expect(trust.denied.map(({ reason }) => reason)).toEqual([
    "member-1 was removed",
    "member-2 was removed",
  ]);
  expect(authorities.find(({ usage }) => usage === "service-1")?.status).toBe("retired");
  await expect(deleteService(env, { name: "cache", actor })).rejects.toMatchObject({
    code: "not-found",
  });
});

describe("the CA of a service", () => {
  async function rotation(env: TestEnvironment) {
    await settleAgents(env);
    const wish = { kind: "rotate-ca", observeSeconds: 0, subject: null } as const;
    const usages = ["service-1" as never];
    const plan = await createPlan(env, { ...wish, usages }, actor);
    return startRollout(env, plan.id, actor);
  }

  function waive(env: TestEnvironment, id: Awaited<ReturnType<typeof rotation>>["id"]) {
    const waiver = { subject: "unmanaged:service-1", phase: "observe", reason: "told" };
    return waiveGate(env, id, { ...waiver, lifetimeSeconds: 600 }, actor);
  }

  test("is replaced, member by member, and nothing else with it", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    const lease = await claimTestLease(env);
    const { id } = await rotation(env);
    await waive(env, id);
    expect(await advanceTo(env, lease, id)).toEqual({ do: "finish" });
    const { authorities, credentials, members, trust } = await read(env);
    const [before, after] = authorities.filter(({ usage }) => usage === "service-1");
    expect([before?.status, after?.status]).toEqual(["retired", "current"]);
    for (const { trusts } of members) expect(trusts).toEqual([after?.id]);
    expect(trust.anchors.filter(({ usage }) => usage === "service-1")).toHaveLength(1);
    for (const { usage, desired, lastSequence } of credentials) {
      if (usage === "service-1") expect(desired.authorityId).toBe(after?.id);
      else expect(lastSequence).toBeLessThanOrEqual(1);
    }
  });

  test("is taken back in the middle, and the new one denied", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    const lease = await claimTestLease(env);
    const { id } = await rotation(env);
    await advanceTo(env, lease, id, "reissue-service-1-1");
    await rollBack(env, id, actor);
    expect(await advanceTo(env, lease, id)).toEqual({ do: "finish" });
    const { authorities, members, credentials } = await read(env);
    const [before, after] = authorities.filter(({ usage }) => usage === "service-1");
    expect([before?.status, after?.status]).toEqual(["current", "abandoned"]);
    for (const { trusts } of members) expect(trusts).toEqual([before?.id]);
    for (const { usage, desired } of credentials)
      if (usage === "service-1") expect(desired.authorityId).toBe(before?.id);
  });

  test("is taken back by itself when more calls to the canary fail than to the others", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    const lease = await claimTestLease(env);
    const { id } = await rotation(env);
    const answered = (hostId: string, operations: number, failures: number) =>
      env.store.note(async (tx) => {
        const seen = await tx.observations.host(hostId as HostId);
        if (seen === undefined) throw new Error(`${hostId} has reported`);
        const members = (seen.members ?? []).map((each) => ({
          ...each,
          status: each.status && { ...each.status, operations, failures },
        }));
        await tx.observations.putHost({ ...seen, members });
      });
    await advanceTo(env, lease, id, "introduce-service-1-1");
    await settleAgents(env);
    await answered("host-1", 100, 0);
    await answered("host-2", 100, 50);
    const move = await advanceRollout(env, lease, id, null);
    expect(move).toMatchObject({ do: "wait", blockers: [{ code: "canary-worse" }] });
    expect(await env.store.read((view) => view.rollouts.get(id))).toMatchObject({
      status: "rolling-back",
    });
  });

  test("cannot be changed below a rollout by another declaration of the service", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    await rotation(env);
    await expect(
      applyServices(env, [{ ...cache, dnsNames: ["x.example"] }], actor),
    ).rejects.toMatchObject({ code: "conflict" });
    await expect(deleteService(env, { name: "cache", actor })).rejects.toMatchObject({
      code: "conflict",
    });
  });
});

describe("renewByPlan", () => {
  const service = (keyBy: "reload" | "restart"): ServiceDeclaration => ({
    ...cache,
    driver: { ...cache.driver, traits: { ...testTraits, keyBy } },
  });

  test("renews by a plan where a new key takes a restart, when it is time, and once", async () => {
    const env = await domain();
    await applyServices(env, [service("restart")], actor);
    await settleAgents(env);
    expect(await renewByPlan(env)).toBeNull();
    env.clock.advance(12 * 86_400_000);
    expect((await renewByPlan(env))?.todo.map(({ id }) => id)).toEqual([
      "reissue-service-1-1",
      "reissue-service-1-2",
      "forget",
    ]);
    expect(await renewByPlan(env)).toBeNull();
  });

  test("leaves to Node Managers what a reload is enough for", async () => {
    const env = await domain();
    await applyServices(env, [service("reload")], actor);
    await settleAgents(env);
    env.clock.advance(12 * 86_400_000);
    expect(await renewByPlan(env)).toBeNull();
  });
});

describe("switchOver", () => {
  async function settled() {
    const env = await domain();
    await applyServices(env, [cache], actor);
    await settleAgents(env);
    return env;
  }
  const wish = { service: "cache", to: null, by: "hand-over", actor } as const;

  test("makes the other member active, or the one that is named", async () => {
    const env = await settled();
    expect(await switchOver(env, wish)).toMatchObject({ name: "b" });
    expect((await read(env)).services[0]?.active).toEqual({ member: "member-2", by: "hand-over" });
    await settleAgents(env);
    expect(await switchOver(env, { ...wish, to: "a" })).toMatchObject({ id: "member-1" });
  });

  test("hands nothing over while a member is not well; promotes all the same", async () => {
    const env = await domain();
    await applyServices(env, [cache], actor);
    await expect(switchOver(env, wish)).rejects.toMatchObject({ code: "plan-unsafe" });
    expect(await switchOver(env, { ...wish, by: "promotion" })).toMatchObject({ name: "b" });
  });

  test("refuses members that there are not, and services that see to it themselves", async () => {
    const env = await settled();
    await expect(switchOver(env, { ...wish, to: "c" })).rejects.toMatchObject({
      code: "not-found",
    });
    const members = cache.members.map((each) => ({ ...each, variables: {} }));
    await applyServices(env, [{ ...cache, name: "own", shape: "cluster", members }], actor);
    await expect(switchOver(env, { ...wish, service: "own" })).rejects.toMatchObject({
      code: "not-supported",
    });
  });
});
