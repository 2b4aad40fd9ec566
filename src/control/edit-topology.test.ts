import { describe, expect, test } from "vitest";
import type { GroupId, HostId, ProcessId } from "../kit/index.ts";
import { credentialId, type Credential, type Host } from "../domain/index.ts";
import {
  joinTestHost,
  issueFor,
  testActor as actor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { editHost, type HostEdit } from "./edit-host.ts";
import { editInstance, renameGroup, setTag, type InstanceEdit } from "./edit-topology.ts";
import { createInstance, setInstanceEnabled } from "./instances.ts";
import { currentTrust, requireHost } from "./publish-trust.ts";
import { createPlan, startRollout } from "./rollouts.ts";

const host1 = "host-1" as HostId;
const host2 = "host-2" as HostId;
const first = "instance-1" as ProcessId;
const group = "group-2" as GroupId;

/** Two hosts, and two instances of group edge on the second. */
async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  for (const name of ["one", "two"])
    await createInstance(env, { name, group: "edge", hostId: host2, actor });
  await issueFor(env, host2, "instance-1/traffic");
  return env;
}

const instanceOf = async (env: TestEnvironment, id = first) =>
  (await env.store.read((view) => view.topology.instances())).find((each) => each.id === id);
const edit = (env: TestEnvironment, changes: Partial<InstanceEdit>) =>
  editInstance(env, { id: first, actor, ...changes });

describe("editInstance", () => {
  test("renames an instance, also while it runs", async () => {
    const env = await domain();
    await setInstanceEnabled(env, { id: first, enabled: true, actor });
    await edit(env, { name: "other" });
    expect(await instanceOf(env)).toMatchObject({ name: "other", managementPort: 8085 });
  });

  test("changes the ports of a stopped instance, and refuses a running one", async () => {
    const env = await domain();
    await edit(env, { managementPort: 9001, servicesPort: 9002 });
    expect(await instanceOf(env)).toMatchObject({ managementPort: 9001, servicesPort: 9002 });
    await setInstanceEnabled(env, { id: first, enabled: true, actor });
    await expect(edit(env, { managementPort: 9003 })).rejects.toMatchObject({
      code: "still-running",
    });
  });

  test.each([
    ["a taken name", { name: "two" }, "already-exists"],
    ["a name that is none", { name: "a/b" }, "invalid-name"],
    ["a port of another instance", { managementPort: 8086 }, "already-exists"],
    ["the port of its Node Manager", { servicesPort: 8090 }, "already-exists"],
    ["one port for both", { servicesPort: 8085 }, "invalid-input"],
    ["a port that is none", { servicesPort: 70_000 }, "invalid-input"],
    ["an instance that is not there", { id: "instance-9" as ProcessId }, "not-found"],
  ] as const)("refuses %s and changes nothing", async (_what, changes, code) => {
    const env = await domain();
    const before = await instanceOf(env);
    await expect(edit(env, changes)).rejects.toMatchObject({ code });
    expect(await instanceOf(env)).toEqual(before);
  });
});

describe("renameGroup", () => {
  test("renames a group, and refuses the name of another", async () => {
    const env = await domain();
    await createInstance(env, { name: "one", group: "core", hostId: host1, actor });
    await renameGroup(env, { id: group, name: "rim", actor });
    const named = async () =>
      (await env.store.read((view) => view.topology.groups())).map((g) => g.name);
    expect(await named()).toEqual(["rim", "core"]);
    await expect(renameGroup(env, { id: group, name: "core", actor })).rejects.toMatchObject({
      code: "already-exists",
    });
    await expect(
      renameGroup(env, { id: "group-9" as GroupId, name: "x", actor }),
    ).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("setTag", () => {
  test("gives a tag a value, another one, and takes it away", async () => {
    const env = await domain();
    const tag = (name: string, value: string | null) =>
      setTag(env, { id: first, tag: name, value, actor });
    await tag("zone", "inner");
    await tag("zone", "outer");
    await tag("rank", "1");
    expect((await instanceOf(env))?.tags).toEqual({ zone: "outer", rank: "1" });
    await tag("zone", null);
    expect((await instanceOf(env))?.tags).toEqual({ rank: "1" });
    await expect(tag("zone", null)).rejects.toMatchObject({ code: "not-found" });
    await expect(tag("a=b", "c")).rejects.toMatchObject({ code: "invalid-name" });
  });
});

describe("editHost", () => {
  const change = (env: TestEnvironment, changes: Partial<HostEdit>, id = host2): Promise<Host> =>
    editHost(env, { id, actor, ...changes });
  const credential = (env: TestEnvironment, id: string): Promise<Credential | undefined> =>
    env.store.read((view) => view.credentials.get(id as never));

  test("gives an Admin Node Manager other names and another port, which the signed trust document names", async () => {
    const env = await domain();
    await change(env, { nodeManagerName: "First", port: 9090 }, host1);
    const { admins } = await env.store.read(currentTrust);
    expect(admins).toMatchObject([{ name: "First", port: 9090 }]);
  });

  test("has certificates name a new address, which follows the name where it was the name", async () => {
    const env = await domain();
    const own = credentialId("nodemanager-2" as ProcessId, "management");
    expect((await change(env, { name: "gamma" })).address).toBe("beta.example");
    expect(await credential(env, own)).toMatchObject({ desired: { minSequence: 1 } });
    await change(env, { name: "beta.example" });
    expect((await change(env, { name: "delta.example" })).address).toBe("delta.example");
    for (const id of [own, "instance-1/traffic"])
      expect(await credential(env, id)).toMatchObject({ desired: { minSequence: 2 } });
    await change(env, { alternativeNames: ["DNS:epsilon.example"] });
    expect((await env.store.read((view) => requireHost(view, host2))).alternativeNames).toEqual([
      "DNS:epsilon.example",
    ]);
  });

  test.each([
    ["a taken name", { name: "Alpha" }, "already-exists"],
    ["a taken port", { port: 8085 }, "already-exists"],
    ["an address where its ports are taken", { address: "alpha.example" }, "already-exists"],
    ["a Node Manager's name that is none", { nodeManagerName: "a:b" }, "invalid-name"],
  ] as const)("refuses %s", async (_what, changes, code) => {
    await expect(change(await domain(), changes)).rejects.toMatchObject({ code });
  });

  test("refuses a host that is dialled, and names in certificates while a rollout is open", async () => {
    const env = await domain();
    const plan = await createPlan(env, { kind: "replace-leaves", credentials: null }, actor);
    await startRollout(env, plan.id, actor);
    await expect(change(env, { address: "new.example" })).rejects.toMatchObject({
      code: "rollout-active",
    });
    await change(env, { name: "gamma" });
    const entry = { actor, action: "test", subject: "test", detail: {} };
    await env.store.write(entry, async (tx) =>
      tx.topology.putHost({ ...(await requireHost(tx, host2)), dial: "anm" }),
    );
    await expect(change(env, { port: 9999 })).rejects.toMatchObject({ code: "not-supported" });
  });
});
