import { describe, expect, test } from "vitest";
import type { GroupId, HostId, ProcessId } from "../kit/index.ts";
import { parseCertificate } from "../pki/index.ts";
import {
  issueFor,
  joinTestHost,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import {
  configureGroup,
  createInstance,
  deleteGroup,
  deleteHost,
  deleteInstance,
  deleteRelyingParty,
  setInstanceEnabled,
} from "./instances.ts";
import { createRelyingParty } from "./accounts.ts";
import { currentTrust } from "./publish-trust.ts";
import { createPlan, pauseRollout, startRollout } from "./rollouts.ts";

const host1 = "host-1" as HostId;
const actor = testActor;

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  return env;
}

const wish = { name: "one", group: "edge", hostId: host1, actor };

function instances(env: TestEnvironment) {
  return env.store.read((view) => view.topology.instances());
}

describe("createInstance", () => {
  test("makes group, instance and two credentials that are wanted from the current authorities", async () => {
    const env = await domain();
    const { instance, group } = await createInstance(env, wish);
    expect(instance).toMatchObject({
      id: "instance-1",
      groupId: group.id,
      hostId: host1,
      managementPort: 8085,
      servicesPort: 8080,
      enabled: false,
    });
    expect(group).toMatchObject({ id: "group-2", name: "edge" });
    const credentials = await env.store.read((view) => view.credentials.all());
    expect(credentials.filter(({ process }) => process === instance.id)).toMatchObject([
      { id: "instance-1/traffic", desired: { authorityId: "traffic-1", minSequence: 1 } },
      { id: "instance-1/management", desired: { authorityId: "management-1", minSequence: 1 } },
    ]);
  });

  test("raises the version of the host's document, which names the instance", async () => {
    const env = await domain();
    const version = async (): Promise<number> =>
      env.store.read(async (view) => (await view.topology.host(host1))?.documentVersion ?? 0);
    const before = await version();
    await createInstance(env, wish);
    expect(await version()).toBe(before + 1);
  });

  test("chooses free ports of the host, and refuses taken ones", async () => {
    const env = await domain();
    await createInstance(env, wish);
    const { instance } = await createInstance(env, { ...wish, name: "two" });
    expect([instance.managementPort, instance.servicesPort]).toEqual([8086, 8081]);
    for (const port of [8090, 8085, 8080])
      await expect(
        createInstance(env, { ...wish, name: "three", managementPort: port }),
      ).rejects.toMatchObject({ code: "already-exists" });
    await expect(
      createInstance(env, { ...wish, name: "three", managementPort: 9000, servicesPort: 9000 }),
    ).rejects.toMatchObject({ code: "already-exists" });
    await expect(
      createInstance(env, { ...wish, name: "three", servicesPort: 70_000 }),
    ).rejects.toMatchObject({ code: "invalid-input" });
  });

  test("refuses and passes over the ports of another host at the same address", async () => {
    const env = await domain();
    const shared = { address: "alpha.example", port: 8085 };
    const { host } = await joinTestHost(env, shared);
    await createInstance(env, { ...wish, managementPort: 9001, servicesPort: 9002 });
    for (const servicesPort of [8090, 8085, 9001, 9002])
      await expect(
        createInstance(env, { ...wish, name: "two", hostId: host.id, servicesPort }),
      ).rejects.toMatchObject({ code: "already-exists" });
    const { instance } = await createInstance(env, { ...wish, name: "two", hostId: host.id });
    expect([instance.managementPort, instance.servicesPort]).toEqual([8086, 8080]);
  });

  test.each([
    ["a taken name in the same group", {}, "already-exists"],
    ["a host that does not exist", { name: "two", hostId: "host-9" as HostId }, "not-found"],
    ["a bad name", { name: "a/b" }, "invalid-name"],
    [
      "a bad DNS name",
      { group: "other", configuration: { routes: [], dnsNames: ["not a name"] } },
      "invalid-name",
    ],
  ])("refuses %s and leaves nothing behind", async (_, changes, code) => {
    const env = await domain();
    await createInstance(env, wish);
    await expect(createInstance(env, { ...wish, ...changes })).rejects.toMatchObject({ code });
    expect(await instances(env)).toHaveLength(1);
    expect(await env.store.read((view) => view.topology.groups())).toHaveLength(1);
  });

  test("takes the same name in another group", async () => {
    const env = await domain();
    await createInstance(env, wish);
    const { instance, group } = await createInstance(env, { ...wish, group: "other" });
    expect([instance.id, group.id]).toEqual(["instance-2", "group-3"]);
  });
});

describe("setInstanceEnabled", () => {
  test("sets what is desired, once, and refuses an unknown instance", async () => {
    const env = await domain();
    const { instance } = await createInstance(env, wish);
    await setInstanceEnabled(env, { id: instance.id, enabled: true, actor });
    const revision = await env.store.revision();
    await setInstanceEnabled(env, { id: instance.id, enabled: true, actor });
    expect(await env.store.revision()).toBe(revision);
    expect(await instances(env)).toMatchObject([{ enabled: true }]);
    await expect(
      setInstanceEnabled(env, { id: "instance-9" as ProcessId, enabled: true, actor }),
    ).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("deleteInstance", () => {
  test("removes the instance and its credentials, and denies every key recorded for it", async () => {
    const env = await domain();
    const { instance } = await createInstance(env, wish);
    await issueFor(env, host1, "instance-1/management");
    await issueFor(env, host1, "instance-1/traffic");
    const before = await env.store.read(currentTrust);
    await deleteInstance(env, { id: instance.id, actor });
    const after = await env.store.read(currentTrust);
    expect(after.epoch).toBe(before.epoch + 1);
    expect(after.denied.map(({ kind, reason }) => [kind, reason])).toEqual([
      ["key", "instance-1 was deleted"],
      ["key", "instance-1 was deleted"],
    ]);
    expect(await instances(env)).toEqual([]);
    expect(await env.store.read((view) => view.credentials.all())).toHaveLength(1);
  });

  test("publishes no trust when no key was ever issued for it", async () => {
    const env = await domain();
    const { instance } = await createInstance(env, wish);
    const before = await env.store.read(currentTrust);
    await deleteInstance(env, { id: instance.id, actor });
    expect(await env.store.read(currentTrust)).toEqual(before);
  });

  test("never gives its number to another", async () => {
    const env = await domain();
    const { instance } = await createInstance(env, wish);
    await deleteInstance(env, { id: instance.id, actor });
    expect((await createInstance(env, wish)).instance.id).toBe("instance-2");
  });

  test("refuses an instance that should run, or that does", async () => {
    const env = await domain();
    const { instance } = await createInstance(env, wish);
    await setInstanceEnabled(env, { id: instance.id, enabled: true, actor });
    await expect(deleteInstance(env, { id: instance.id, actor })).rejects.toMatchObject({
      code: "still-running",
    });
    await settleAgents(env);
    await setInstanceEnabled(env, { id: instance.id, enabled: false, actor });
    await expect(deleteInstance(env, { id: instance.id, actor })).rejects.toMatchObject({
      code: "still-running",
    });
  });

  test("removes what a host that is gone said last to be running", async () => {
    const env = await domain();
    const { instance } = await createInstance(env, wish);
    await settleAgents(env);
    env.clock.advance(15_001);
    await deleteInstance(env, { id: instance.id, actor });
    expect(await instances(env)).toEqual([]);
  });
});

describe("deleteGroup", () => {
  test("removes the group with all its instances, or nothing when one of them runs", async () => {
    const env = await domain();
    const { group, instance } = await createInstance(env, wish);
    await createInstance(env, { ...wish, name: "two" });
    await createInstance(env, { ...wish, group: "other" });
    await setInstanceEnabled(env, { id: instance.id, enabled: true, actor });
    await expect(deleteGroup(env, { id: group.id, actor })).rejects.toMatchObject({
      code: "still-running",
    });
    expect(await instances(env)).toHaveLength(3);
    await setInstanceEnabled(env, { id: instance.id, enabled: false, actor });
    await deleteGroup(env, { id: group.id, actor });
    expect((await instances(env)).map(({ id }) => id)).toEqual(["instance-3"]);
    await expect(deleteGroup(env, { id: group.id, actor })).rejects.toMatchObject({
      code: "not-found",
    });
  });
});

describe("deleteHost", () => {
  test("refuses the Admin Node Manager's host and one that does not exist", async () => {
    const env = await domain();
    await expect(deleteHost(env, { id: host1, actor })).rejects.toMatchObject({
      code: "forbidden",
    });
    await expect(deleteHost(env, { id: "host-9" as HostId, actor })).rejects.toMatchObject({
      code: "not-found",
    });
  });
});

describe("configureGroup", () => {
  test("replaces what the group serves, and refuses bad names and unknown groups", async () => {
    const env = await domain();
    const { group } = await createInstance(env, wish);
    const configuration = { routes: [], dnsNames: ["api.example"] };
    await configureGroup(env, { id: group.id, configuration, actor });
    expect(await env.store.read((view) => view.topology.groups())).toMatchObject([
      { configuration },
    ]);
    await expect(
      configureGroup(env, { id: group.id, configuration: { routes: [], dnsNames: ["-"] }, actor }),
    ).rejects.toMatchObject({ code: "invalid-name" });
    await expect(
      configureGroup(env, { id: "group-9" as GroupId, configuration, actor }),
    ).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("configureGroup with other DNS names", () => {
  const named = (...dnsNames: string[]) => ({ routes: [], dnsNames });

  async function serving(): Promise<{ env: TestEnvironment; id: GroupId }> {
    const env = await domain();
    const { group } = await createInstance(env, { ...wish, configuration: named("a.example") });
    await createInstance(env, { ...wish, group: "other", name: "two" });
    await settleAgents(env);
    return { env, id: group.id };
  }

  async function minimums(env: TestEnvironment): Promise<Record<string, number>> {
    const all = await env.store.read((view) => view.credentials.all());
    return Object.fromEntries(all.map(({ id, desired }) => [id, desired.minSequence]));
  }

  test("replaces the traffic certificates of the group's instances at once, and no other", async () => {
    const { env, id } = await serving();
    const before = await minimums(env);
    await configureGroup(env, { id, configuration: named("a.example", "b.example"), actor });
    expect(await minimums(env)).toEqual({ ...before, "instance-1/traffic": 2 });
    await settleAgents(env);
    const [newest] = await env.store.read((view) =>
      view.issuances.ofCredential("instance-1/traffic" as never, 1),
    );
    const names = parseCertificate(newest?.der ?? new Uint8Array()).extensions.subjectAltName;
    expect(names).toEqual(
      ["a.example", "b.example", "alpha.example"].map((value) => ({ type: "dns", value })),
    );
    await configureGroup(env, { id, configuration: named("a.example", "b.example"), actor });
    expect(await minimums(env)).toEqual({ ...before, "instance-1/traffic": 2 });
  });

  test("does not take a certificate with the old names for the new one", async () => {
    const { env, id } = await serving();
    const { authorityKeys } = env;
    const issueLeaf: typeof authorityKeys.issueLeaf = async (job) => {
      const leaf = await authorityKeys.issueLeaf(job);
      await configureGroup(env, { id, configuration: named("b.example"), actor });
      return leaf;
    };
    const slow = {
      ...env,
      authorityKeys: Object.assign(Object.create(authorityKeys), { issueLeaf }),
    };
    await expect(issueFor(slow, host1, "instance-1/traffic")).rejects.toMatchObject({
      code: "conflict",
    });
    expect((await issueFor(env, host1, "instance-1/traffic")).sequence).toBe(2);
  });

  test("is refused while a rollout is open, which other changes are not", async () => {
    const { env, id } = await serving();
    const plan = await createPlan(env, { kind: "replace-leaves", credentials: null }, actor);
    const rollout = await startRollout(env, plan.id, actor);
    await pauseRollout(env, rollout.id, actor);
    await expect(
      configureGroup(env, { id, configuration: named("b.example"), actor }),
    ).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining(rollout.id) });
    const route = { host: null, pathPrefix: "/", upstreams: ["http://u:1"], healthPath: null };
    const configuration = { routes: [route], dnsNames: ["a.example"] };
    await configureGroup(env, { id, configuration, actor });
    expect((await env.store.read((view) => view.topology.groups()))[0]).toMatchObject({
      configuration,
    });
  });
});

describe("deleteRelyingParty", () => {
  test("removes it, and refuses one that does not exist", async () => {
    const env = await domain();
    const { id } = await createRelyingParty(env, { name: "billing", actor });
    await expect(createRelyingParty(env, { name: "billing", actor })).rejects.toMatchObject({
      code: "already-exists",
    });
    await deleteRelyingParty(env, { id, actor });
    expect(await env.store.read((view) => view.topology.relyingParties())).toEqual([]);
    await expect(deleteRelyingParty(env, { id, actor })).rejects.toMatchObject({
      code: "not-found",
    });
  });
});
