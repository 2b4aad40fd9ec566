import { describe, expect, test } from "vitest";
import type { AuthorityId, HostId, ProcessId } from "../kit/index.ts";
import { generateKeyPair, keyPairOf, privateKeyFromPem, unseal } from "../keys/index.ts";
import type { KeyPair } from "../keys/index.ts";
import {
  claimTestLease,
  joinTestHost,
  testActor as actor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import { advanceRollout } from "./advance.ts";
import { deleteHost } from "./instances.ts";
import { revoke } from "./revoke.ts";
import { createPlan, startRollout } from "./rollouts.ts";
import { recordSealingKey } from "./sealing-key.ts";
import { recordHolder, shareKeys, unshareKeys } from "./share-keys.ts";

const host1 = "host-1" as HostId;
const hostId = "host-2" as HostId;
const entry = { actor, action: "test", subject: "test", detail: {} };

interface Domain {
  readonly env: TestEnvironment;
  /** The key of the second Admin Node Manager to seal for. */
  readonly sealingKey: KeyPair;
}

async function twoHosts(isAdmin = true): Promise<Domain> {
  const env = await testEnvironment();
  await testControlDomain(env);
  const { host } = await joinTestHost(env);
  const nodeManager = { ...host.nodeManager, isAdmin };
  await env.store.write(entry, (tx) => tx.topology.putHost({ ...host, nodeManager }));
  return { env, sealingKey: await generateKeyPair("ecdsa-p256") };
}

async function twoAdmins(): Promise<Domain> {
  const domain = await twoHosts();
  await showSealingKey(domain, hostId);
  return domain;
}

function showSealingKey({ env, sealingKey }: Domain, id: HostId): Promise<void> {
  return recordSealingKey(env, id, Buffer.from(sealingKey.spki).toString("base64"));
}

/** Holders by authority. */
async function holders({ env }: Domain): Promise<Record<string, readonly HostId[]>> {
  const all = await env.store.read((view) => view.authorities.all());
  return Object.fromEntries(all.map((authority) => [authority.id, authority.holders]));
}

/** SPKI of each key that was sealed for a host, by authority, in base64. */
async function sealedFor({ env, sealingKey }: Domain, id: HostId): Promise<Record<string, string>> {
  const keys = await env.store.read((view) => view.sealedKeys.ofHost(id));
  const opened = keys.map(async ({ authorityId, sealed }) => {
    const pem = Buffer.from(await unseal(sealed, sealingKey.privateKey)).toString();
    const { spki } = keyPairOf(privateKeyFromPem(pem, { what: "it" }));
    return [authorityId, Buffer.from(spki).toString("base64")] as const;
  });
  return Object.fromEntries(await Promise.all(opened));
}

async function spkiOf({ env }: Domain, id: string): Promise<string> {
  return Buffer.from((await env.authorityKeys.create(id as AuthorityId)).spki).toString("base64");
}

describe("shareKeys", () => {
  test("seals the key of every authority for the named host and makes it a holder", async () => {
    const domain = await twoAdmins();
    expect(await shareKeys(domain.env, { hostId, actor })).toEqual(["traffic-1", "management-1"]);
    expect(await sealedFor(domain, hostId)).toEqual({
      "management-1": await spkiOf(domain, "management-1"),
      "traffic-1": await spkiOf(domain, "traffic-1"),
    });
    const both = [host1, hostId];
    expect(await holders(domain)).toEqual({ "management-1": both, "traffic-1": both });
    const records = await domain.env.store.read((view) => view.audit.page({}, 1000));
    expect(records.at(-1)).toMatchObject({ actor, action: "authority.share", subject: hostId });
  });

  test("may be repeated, as after the host has got a new sealing key", async () => {
    const domain = await twoAdmins();
    await shareKeys(domain.env, { hostId, actor });
    const renewed = { ...domain, sealingKey: await generateKeyPair("ecdsa-p256") };
    await showSealingKey(renewed, hostId);
    await shareKeys(domain.env, { hostId, actor });
    expect(Object.keys(await sealedFor(renewed, hostId))).toHaveLength(2);
    expect((await holders(domain))["traffic-1"]).toEqual([host1, hostId]);
  });

  test("leaves out an authority that signs nothing any more", async () => {
    const domain = await twoAdmins();
    await domain.env.store.write(entry, async (tx) => {
      const current = await tx.authorities.current("traffic");
      await tx.authorities.put({ ...current, status: "retired" });
    });
    expect(await shareKeys(domain.env, { hostId, actor })).toEqual(["management-1"]);
  });

  test("is refused for a host without an Admin Node Manager, and before that has run", async () => {
    const { env } = await twoHosts(false);
    const refused = shareKeys(env, { hostId, actor });
    await expect(refused).rejects.toMatchObject({ code: "not-supported" });
    const { env: other } = await twoHosts();
    const early = shareKeys(other, { hostId, actor });
    await expect(early).rejects.toMatchObject({ code: "not-running" });
  });

  test("seals nothing for a key that was replaced while it sealed", async () => {
    const domain = await twoAdmins();
    const { env } = domain;
    const renewed = { ...domain, sealingKey: await generateKeyPair("ecdsa-p256") };
    const racing = Object.assign(Object.create(env.store) as typeof env.store, {
      read: env.store.read.bind(env.store),
      async write(...args: Parameters<typeof env.store.write>) {
        await showSealingKey(renewed, hostId);
        return env.store.write(...args);
      },
    });
    const raced = shareKeys({ ...env, store: racing }, { hostId, actor });
    await expect(raced).rejects.toMatchObject({ code: "conflict" });
    expect(await sealedFor(domain, hostId)).toEqual({});
  });
});

describe("unshareKeys", () => {
  test("removes the sealed keys and the holder", async () => {
    const domain = await twoAdmins();
    await shareKeys(domain.env, { hostId, actor });
    const taken = await unshareKeys(domain.env, { hostId, actor });
    expect(taken).toEqual(["traffic-1", "management-1"]);
    expect(await sealedFor(domain, hostId)).toEqual({});
    expect(await holders(domain)).toEqual({ "management-1": [host1], "traffic-1": [host1] });
  });

  test("is refused for the last holder, also when the other one was revoked", async () => {
    const domain = await twoAdmins();
    const last = { code: "forbidden", message: expect.stringContaining("is the only one") };
    const first = unshareKeys(domain.env, { hostId: host1, actor });
    await expect(first).rejects.toMatchObject(last);
    await shareKeys(domain.env, { hostId, actor });
    await domain.env.store.write(entry, async (tx) => {
      const host = await tx.topology.host(hostId);
      if (host !== undefined) await tx.topology.putHost({ ...host, status: "revoked" });
    });
    const again = unshareKeys(domain.env, { hostId: host1, actor });
    await expect(again).rejects.toMatchObject(last);
    expect(await holders(domain)).toMatchObject({ "management-1": [host1, hostId] });
  });

  test("takes the keys from the host that made them", async () => {
    const domain = await twoAdmins();
    await shareKeys(domain.env, { hostId, actor });
    await unshareKeys(domain.env, { hostId: host1, actor });
    expect(await holders(domain)).toEqual({ "management-1": [hostId], "traffic-1": [hostId] });
  });

  test("is refused for a host that holds none", async () => {
    const { env } = await twoAdmins();
    await expect(unshareKeys(env, { hostId, actor })).rejects.toMatchObject({ code: "not-found" });
  });
});

/** While a host is an Admin Node Manager's it may not be removed: makes it an ordinary one. */
async function demote({ env }: Domain, id: HostId): Promise<void> {
  await env.store.write(entry, async (tx) => {
    const host = await tx.topology.host(id);
    if (host === undefined) throw new Error(`there is no host ${id}`);
    await tx.topology.putHost({ ...host, nodeManager: { ...host.nodeManager, isAdmin: false } });
  });
}

describe("a host that is removed", () => {
  const removals: readonly [string, (env: TestEnvironment, id: HostId) => Promise<unknown>][] = [
    ["deleted", (env, id) => deleteHost(env, { id, actor })],
    [
      "revoked",
      (env, id) =>
        revoke(env, {
          process: id.replace("host", "nodemanager") as ProcessId,
          reason: "lost",
          actor,
        }),
    ],
  ];

  test.each(removals)("holds no key any more when it is %s", async (_how, remove) => {
    const domain = await twoAdmins();
    await shareKeys(domain.env, { hostId, actor });
    await demote(domain, hostId);
    await remove(domain.env, hostId);
    expect(await sealedFor(domain, hostId)).toEqual({});
    expect(await holders(domain)).toEqual({ "management-1": [host1], "traffic-1": [host1] });
  });

  test.each(removals)("is not %s while it alone holds a key", async (_how, remove) => {
    const domain = await twoAdmins();
    await demote(domain, host1);
    await expect(remove(domain.env, host1)).rejects.toMatchObject({
      code: "forbidden",
      message: expect.stringContaining("give it to another first"),
    });
    expect((await domain.env.store.read((view) => view.topology.host(host1)))?.status).toBe(
      "active",
    );
  });
});

test("recordHolder names a holder only where none is written", async () => {
  const domain = await twoAdmins();
  await domain.env.store.write(entry, async (tx) => {
    const current = await tx.authorities.current("traffic");
    await tx.authorities.put({ ...current, holders: [] });
  });
  await recordHolder(domain.env, hostId, ["traffic-1", "management-1"] as AuthorityId[]);
  expect(await holders(domain)).toEqual({ "management-1": [host1], "traffic-1": [hostId] });
});

describe("a rotation", () => {
  const wish = {
    kind: "rotate-ca",
    usages: ["traffic"],
    observeSeconds: 0,
    subject: null,
  } as const;

  async function prepare(domain: Domain): Promise<void> {
    const { env } = domain;
    await settleAgents(env);
    const leadership = await claimTestLease(env);
    const { id } = await startRollout(env, (await createPlan(env, wish, actor)).id, actor);
    await advanceRollout(env, leadership, id, null);
  }

  test("seals the new key for every holder of the old one, in the step that makes it", async () => {
    const domain = await twoAdmins();
    await shareKeys(domain.env, { hostId, actor });
    await prepare(domain);
    expect((await holders(domain))["traffic-2"]).toEqual([host1, hostId]);
    expect((await sealedFor(domain, hostId))["traffic-2"]).toBe(await spkiOf(domain, "traffic-2"));
  });

  test("seals nothing when only one holds the old key", async () => {
    const domain = await twoAdmins();
    await showSealingKey(domain, host1);
    await prepare(domain);
    expect((await holders(domain))["traffic-2"]).toEqual([host1]);
    expect(await sealedFor(domain, host1)).toEqual({});
  });

  test("makes no new CA with the keys of before they were shared", async () => {
    const domain = await twoAdmins();
    const { env } = domain;
    const racing = Object.assign(Object.create(env.store) as typeof env.store, {
      read: env.store.read.bind(env.store),
      note: env.store.note.bind(env.store),
      async write(...args: Parameters<typeof env.store.write>) {
        if (args[0].action === "rollout.step") await shareKeys(env, { hostId, actor });
        return env.store.write(...args);
      },
    });
    const raced = prepare({ ...domain, env: { ...env, store: racing } });
    await expect(raced).rejects.toMatchObject({ code: "conflict" });
    expect((await holders(domain))["traffic-2"]).toBeUndefined();
  });
});
