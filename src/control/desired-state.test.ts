import { describe, expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import type { HostDocument, TrustDocument } from "../domain/index.ts";
import type { DesiredState } from "../contract/index.ts";
import { verifyEnvelope } from "../keys/index.ts";
import {
  claimTestLease,
  issueFor,
  newRequest,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { advanceTo, settleAgents, settleHost } from "../../test/support/instant-agents.ts";
import { desiredStateOf } from "./desired-state.ts";
import { createInstance, setInstanceEnabled } from "./instances.ts";
import { joinHost } from "./join-host.ts";
import { createJoinToken } from "./join-token.ts";
import { createPlan, startRollout } from "./rollouts.ts";

const host1 = "host-1" as HostId;
const actor = testActor;

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  return env;
}

async function joinSecond(env: TestEnvironment): Promise<HostId> {
  const { text } = await createJoinToken(env, { hostName: null, lifetimeSeconds: 60, actor });
  const { host } = await joinHost(env, {
    token: text,
    hostName: "beta",
    address: "beta.example",
    nodeManagerName: "second",
    port: 8090,
    requestPem: (await newRequest()).pem,
  });
  return host.id;
}

function desired(env: TestEnvironment, hostId = host1, epoch = 0): Promise<DesiredState> {
  return env.store.read((view) => desiredStateOf(view, env, { hostId, epoch, revision: 9 }));
}

function open<T>(
  env: TestEnvironment,
  kind: "trust" | "host",
  envelope: DesiredState["hostDocument"],
): T {
  const payload = verifyEnvelope(kind, envelope, env.trustKey.spki);
  return JSON.parse(Buffer.from(payload).toString("utf8")) as T;
}

const presentable = async (env: TestEnvironment): Promise<number | undefined> =>
  (await desired(env)).credentials.find(({ process }) => process === "nodemanager-1")
    ?.presentableSequence;

describe("desiredStateOf", () => {
  test("gives the trust links above the agent's own epoch, in order", async () => {
    const env = await domain();
    const epochs = async (epoch: number): Promise<number[]> =>
      (await desired(env, host1, epoch)).trust.map(
        (envelope) => open<TrustDocument>(env, "trust", envelope).epoch,
      );
    expect(await epochs(0)).toEqual([1, 2]);
    expect(await epochs(1)).toEqual([2]);
    expect(await epochs(2)).toEqual([]);
  });

  test("gives a host its own processes, credentials and instances, and no others", async () => {
    const env = await domain();
    const second = await joinSecond(env);
    for (const [name, hostId] of [
      ["one", host1],
      ["two", second],
    ] as const)
      await createInstance(env, { name, group: "edge", hostId, actor });
    await setInstanceEnabled(env, { id: "instance-2" as ProcessId, enabled: true, actor });
    const { revision, credentials, instances, hostDocument } = await desired(env, second);
    expect(revision).toBe(9);
    expect(credentials.map(({ id, subject }) => `${id} ${subject}`)).toEqual([
      "instance-2/traffic CN=instance-2",
      "instance-2/management CN=instance-2",
      "nodemanager-2/management CN=nodemanager-2,OU=group-1,DC=host-2",
    ]);
    expect(instances).toMatchObject([{ id: "instance-2", enabled: true, groupId: "group-2" }]);
    const document = open<HostDocument>(env, "host", hostDocument);
    expect(document.hostId).toBe(second);
    expect(document.processes.map(({ id, role }) => [id, role])).toEqual([
      ["nodemanager-2", "nm"],
      ["instance-2", "gateway"],
    ]);
  });

  test("signs a new host document with each key that is recorded", async () => {
    const env = await domain();
    const second = await joinSecond(env);
    const document = async (): Promise<HostDocument> =>
      open<HostDocument>(env, "host", (await desired(env, second)).hostDocument);
    const before = await document();
    const { pem, spki } = await newRequest();
    await issueFor(env, second, "nodemanager-2/management", pem);
    const after = await document();
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.processes[0]?.keys).toContain(spki);
  });

  test("asks for proofs of an authority only while it is trusted and signs nothing yet", async () => {
    const env = await domain();
    await settleAgents(env);
    const leadership = await claimTestLease(env);
    const wish = {
      kind: "rotate-ca",
      usages: ["management"],
      observeSeconds: 0,
      subject: null,
    } as const;
    const { id } = await startRollout(env, (await createPlan(env, wish, actor)).id, actor);
    const asked = [];
    for (const step of ["prepare", "introduce", "issue"]) {
      await advanceTo(env, leadership, id, step);
      asked.push((await desired(env)).prove);
    }
    expect(asked).toEqual([[], ["management-2"], []]);
  });

  test("refuses a host that does not exist", async () => {
    const env = await domain();
    await expect(desired(env, "host-9" as HostId)).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("the presentable sequence", () => {
  test("is the newest for every process but an Admin Node Manager", async () => {
    const env = await domain();
    const second = await joinSecond(env);
    await issueFor(env, second, "nodemanager-2/management");
    const { credentials } = await desired(env, second);
    expect(credentials[0]).toMatchObject({ presentableSequence: 2 });
  });

  test("of an Admin Node Manager waits until every connected host has loaded its key", async () => {
    const env = await domain();
    const second = await joinSecond(env);
    await settleAgents(env);
    expect(await presentable(env)).toBe(1);
    await issueFor(env, host1, "nodemanager-1/management");
    expect(await presentable(env)).toBe(1);
    await settleHost(env, second);
    expect(await presentable(env)).toBe(1);
    await settleHost(env, host1);
    expect(await presentable(env)).toBe(2);
  });

  test("does not wait for a host that is not connected", async () => {
    const env = await domain();
    await joinSecond(env);
    await settleAgents(env);
    await issueFor(env, host1, "nodemanager-1/management");
    env.clock.advance(15_000);
    await settleHost(env, host1);
    expect(await presentable(env)).toBe(2);
  });
});
