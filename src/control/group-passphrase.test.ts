import { describe, expect, test } from "vitest";
import type { GroupId, HostId } from "../kit/index.ts";
import {
  joinTestHost,
  testActor as actor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { desiredStateOf } from "./desired-state.ts";
import { changeGroupPassphrase, groupPassphraseState } from "./group-passphrase.ts";
import { setKeyPassphrase } from "./key-passphrase.ts";
import { createInstance } from "./instances.ts";

const host1 = "host-1" as HostId;
const host2 = "host-2" as HostId;
const group = "group-2" as GroupId;
const seal = async (text: string, sealingKey: string): Promise<string> =>
  `${text} for ${sealingKey}`;

/** Says what a host reports of its keys. */
async function report(env: TestEnvironment, hostId: HostId, sealingKey: string, version = 0) {
  const keys = { isEncrypted: true, sealingKey, groups: [{ groupId: group, version }] };
  await env.store.note((tx) =>
    tx.observations.putHost({
      hostId,
      bootId: "boot",
      receivedAtMs: 0,
      processes: [],
      credentials: [],
      proofs: [],
      keys,
    }),
  );
}

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  return env;
}

const create = (env: TestEnvironment, name: string, hostId: HostId, text?: string) =>
  createInstance(env, {
    name,
    group: "edge",
    hostId,
    ...(text === undefined ? {} : { passphrase: { text, seal } }),
    actor,
  });
const change = (env: TestEnvironment, old: string, next: string) =>
  changeGroupPassphrase(env, { id: group, old, new: next, actor }, seal);
const desired = async (env: TestEnvironment, hostId: HostId) =>
  (await env.store.read((view) => desiredStateOf(view, env, { hostId, epoch: 0, revision: 1 })))
    .passphrases;

describe("the passphrase of a group", () => {
  test("comes with its first instance, sealed for its host, and is asked for on every further host", async () => {
    const env = await domain();
    await expect(create(env, "one", host2, "first")).rejects.toMatchObject({ code: "not-running" });
    await report(env, host2, "key-2");
    await create(env, "one", host2, "first");
    expect(await desired(env, host2)).toEqual([
      { groupId: group, version: 1, isSet: true, sealed: "first for key-2" },
    ]);
    await create(env, "two", host2);
    await report(env, host1, "key-1");
    await expect(create(env, "three", host1)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(create(env, "three", host1, "wrong")).rejects.toMatchObject({ code: "forbidden" });
    await create(env, "three", host1, "first");
    expect(await desired(env, host1)).toMatchObject([{ version: 1, sealed: "first for key-1" }]);
    const groups = JSON.stringify(await env.store.read((view) => view.topology.groups()));
    expect(groups.replaceAll(/(first for key-.|hash of first)/g, "")).not.toContain("first");
  });

  test("is changed for every host with its instances by who knows it, and taken away", async () => {
    const env = await domain();
    await create(env, "one", host2);
    expect(await desired(env, host2)).toEqual([]);
    await expect(change(env, "", "first")).rejects.toMatchObject({ code: "not-running" });
    await report(env, host2, "key-2");
    await expect(change(env, "some", "first")).rejects.toMatchObject({ code: "forbidden" });
    await change(env, "", "first");
    for (const old of ["", "wrong"])
      await expect(change(env, old, "second"), old).rejects.toMatchObject({ code: "forbidden" });
    await change(env, "first", "second");
    expect(await desired(env, host2)).toMatchObject([{ version: 2, sealed: "second for key-2" }]);
    await report(env, host2, "key-2", 1);
    const state = () => env.store.read((view) => groupPassphraseState(view, group));
    expect(await state()).toMatchObject({ isSet: true, hosts: [{ id: host2, isCurrent: false }] });
    await report(env, host2, "key-2", 2);
    expect(await state()).toMatchObject({ hosts: [{ isCurrent: true }] });
    await change(env, "second", "");
    expect(await desired(env, host2)).toEqual([
      { groupId: group, version: 3, isSet: false, sealed: null },
    ]);
    await expect(create(env, "two", host2, "second")).rejects.toMatchObject({ code: "forbidden" });
  });

  test("a passphrase for keys that wait is sealed for their host, and nothing else of it is kept", async () => {
    const env = await domain();
    const set = () => setKeyPassphrase(env, { hostId: host2, passphrase: "secret", actor }, seal);
    await expect(set()).rejects.toMatchObject({ code: "not-running" });
    await report(env, host2, "key-2");
    await set();
    const state = await env.store.read((view) =>
      desiredStateOf(view, env, { hostId: host2, epoch: 0, revision: 1 }),
    );
    expect(state.keyPassphrase).toBe("secret for key-2");
    expect(JSON.stringify(await env.store.read((view) => view.audit.page({}, 100)))).not.toContain(
      "secret",
    );
  });

  test("is above what any host holds also in a store from a backup that has never heard of it", async () => {
    const env = await domain();
    await create(env, "one", host2);
    await report(env, host2, "key-2", 7);
    await change(env, "", "again");
    expect(await desired(env, host2)).toMatchObject([{ version: 8 }]);
  });
});
