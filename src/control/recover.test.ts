import { expect, test } from "vitest";
import type { HostId } from "../kit/index.ts";
import {
  issueFor,
  joinTestHost,
  testActor as actor,
  testControlDomain,
  testEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import { currentTrust } from "./publish-trust.ts";
import { recoverDomain } from "./recover.ts";

const day = 86_400;
const hostId = "host-1" as HostId;
const wish = { hostId, isNewAuthorityWanted: false, actor };

/** A domain with two hosts whose CAs last for 200 days, and that was heard of for the last time now. */
async function domain() {
  const env = await testEnvironment({ policy: { authorityLifetimeSeconds: 200 * day } });
  await testControlDomain(env);
  await joinTestHost(env);
  await settleAgents(env);
  return env;
}

test("recover leaves CAs that last as they are, and counts every host as heard of, as nobody was away", async () => {
  const env = await domain();
  const before = await env.store.read(currentTrust);
  env.clock.advance(150 * day * 1000);
  expect(await recoverDomain(env, wish)).toEqual([]);
  const { anchors } = await env.store.read(currentTrust);
  expect(anchors).toEqual(before.anchors);
  for (const observation of await env.store.read((view) => view.observations.hosts())) {
    expect(observation.receivedAtMs).toBe(env.clock.nowMs());
    expect(observation.receivedBy).toBeUndefined();
  }
  expect((await issueFor(env, hostId, "nodemanager-1/management")).authorityId).toBe(
    "management-1",
  );
});

test("recover puts new CAs in place of those that have ended, trusts only them, and wants everything from them", async () => {
  const env = await domain();
  env.clock.advance(250 * day * 1000);
  await expect(issueFor(env, hostId, "nodemanager-1/management")).rejects.toThrow(/./);
  expect(await recoverDomain(env, wish)).toEqual(["management-1", "traffic-1"]);
  const { anchors } = await env.store.read(currentTrust);
  expect(anchors.map(({ authorityId }) => authorityId)).toEqual(["management-2", "traffic-3"]);
  expect(anchors.map(({ crossCertificatePem }) => crossCertificatePem)).toEqual([null, null]);
  for (const process of ["nodemanager-1", "nodemanager-2"])
    expect(
      (await issueFor(env, `host-${process.at(-1)}` as HostId, `${process}/management`))
        .authorityId,
    ).toBe("management-2");
  expect(await recoverDomain(env, wish)).toEqual([]);
});

test("recover is refused without the key; where certificates are signed elsewhere it makes no CA until theirs has ended, unless one of the domain's own is asked for", async () => {
  const env = await domain();
  const keys = { ...env, authorityKeys: Object.create(env.authorityKeys) as never };
  Object.assign(keys.authorityKeys, {
    requireUsable: () => Promise.reject(new Error("the key is not here")),
  });
  await expect(recoverDomain(keys, wish)).rejects.toMatchObject({
    code: "authority-unavailable",
  });
  const entry = { actor, action: "x", subject: "x", detail: {} };
  await env.store.write(entry, async (tx) => {
    const current = await tx.authorities.current("management");
    await tx.authorities.put({ ...current, signing: "external", holders: [] });
  });
  expect(await recoverDomain(env, wish)).toEqual([]);
  env.clock.advance(250 * day * 1000);
  await expect(recoverDomain(env, wish)).rejects.toMatchObject({
    code: "not-supported",
    message: expect.stringContaining("has ended: --new-ca") as string,
  });
  env.clock.advance(-250 * day * 1000);
  const own = { ...wish, isNewAuthorityWanted: true };
  expect(await recoverDomain(env, own)).toEqual(["management-1"]);
  const { authorityId } = await issueFor(env, hostId, "nodemanager-1/management");
  expect(authorityId).toBe("management-2");
  const authorities = await env.store.read((view) => view.authorities.all());
  expect(authorities.find(({ id }) => id === authorityId)?.signing).toBe("generated");
});
