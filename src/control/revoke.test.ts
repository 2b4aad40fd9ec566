import { describe, expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import type { DesiredCredential } from "../domain/index.ts";
import {
  claimTestLease,
  issueFor,
  joinTestHost,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents, settleHost } from "../../test/support/instant-agents.ts";
import { advanceRollout } from "./advance.ts";
import { approveHost, returnHost } from "./return-host.ts";
import { createInstance, deleteHost, deleteInstance, setInstanceEnabled } from "./instances.ts";
import { currentTrust } from "./publish-trust.ts";
import { revoke } from "./revoke.ts";
import { createPlan, startRollout, waiveGate, type PlanWish } from "./rollouts.ts";

const host1 = "host-1" as HostId;
const host2 = "host-2" as HostId;
const instance = "instance-1" as ProcessId;

async function domainWithInstance() {
  const env = await testEnvironment();
  const { issued } = await testControlDomain(env);
  await createInstance(env, { name: "one", group: "edge", hostId: host1, actor: testActor });
  const management = await issueFor(env, host1, "instance-1/management");
  const traffic = await issueFor(env, host1, "instance-1/traffic");
  return { env, issued, management, traffic };
}

function wanted(env: TestEnvironment): Promise<Record<string, DesiredCredential>> {
  return env.store.read(async (view) =>
    Object.fromEntries((await view.credentials.all()).map(({ id, desired }) => [id, desired])),
  );
}

describe("revoke", () => {
  test("denies every recorded key of a process in the next link of the trust chain", async () => {
    const { env } = await domainWithInstance();
    const before = await env.store.read(currentTrust);
    const request = { process: instance, reason: "stolen", actor: testActor };
    expect(await revoke(env, request)).toEqual({
      epoch: before.epoch + 1,
      denied: 2,
      processes: [instance],
    });
    const { denied, epoch } = await env.store.read(currentTrust);
    expect(epoch).toBe(before.epoch + 1);
    const keys = await env.store.read(async (view) =>
      (await view.credentials.ofHost(host1))
        .filter(({ process }) => process === instance)
        .flatMap(({ recorded }) => recorded.map(({ spki }) => spki)),
    );
    expect(new Set(denied)).toEqual(
      new Set(keys.map((fingerprint) => ({ kind: "key", fingerprint, reason: "stolen" }))),
    );
  });

  test("denies one certificate by its serial, and not its key", async () => {
    const { env, traffic } = await domainWithInstance();
    await revoke(env, { serial: traffic.serial, reason: "misissued", actor: testActor });
    const issuance = await env.store.read((view) =>
      view.issuances.find(traffic.authorityId, traffic.serial),
    );
    expect((await env.store.read(currentTrust)).denied).toEqual([
      { kind: "certificate", fingerprint: issuance?.fingerprint, reason: "misissued" },
    ]);
  });

  test("keeps one denial when the same is revoked twice", async () => {
    const { env } = await domainWithInstance();
    const request = { process: instance, reason: "stolen", actor: testActor };
    await revoke(env, request);
    await revoke(env, request);
    expect((await env.store.read(currentTrust)).denied).toHaveLength(2);
  });

  test("writes who and why with the denial", async () => {
    const { env } = await domainWithInstance();
    await revoke(env, { process: instance, reason: "stolen", actor: "user:eve" });
    const last = await env.store.read(async (view) => (await view.audit.page({}, 100)).at(-1));
    expect(last).toMatchObject({
      actor: "user:eve",
      action: "certificate.revoke",
      subject: "instance-1",
      detail: { reason: "stolen" },
    });
  });

  test("wants new keys for every credential of an instance, in the same transaction", async () => {
    const { env } = await domainWithInstance();
    const revision = await env.store.revision();
    await revoke(env, { process: instance, reason: "stolen", actor: testActor });
    expect(await env.store.revision()).toBe(revision + 1);
    expect(await wanted(env)).toEqual({
      "instance-1/management": { authorityId: "management-1", minSequence: 2, maxSequence: null },
      "instance-1/traffic": { authorityId: "traffic-1", minSequence: 2, maxSequence: null },
      "nodemanager-1/management": {
        authorityId: "management-1",
        minSequence: 1,
        maxSequence: null,
      },
    });
    const next = await issueFor(env, host1, "instance-1/management");
    expect(next.sequence).toBe(2);
  });

  test("wants a new key for the one credential whose certificate is denied by its serial", async () => {
    const { env, traffic, management } = await domainWithInstance();
    const request = { serial: traffic.serial, reason: "misissued", actor: testActor };
    expect(await revoke(env, request)).toMatchObject({ processes: [instance] });
    expect(await wanted(env)).toMatchObject({
      "instance-1/management": { minSequence: 1 },
      "instance-1/traffic": { minSequence: 2 },
    });
    await settleAgents(env);
    await issueFor(env, host1, "instance-1/management");
    await settleAgents(env);
    // Nobody accepts this one any more: there is nothing to replace.
    await revoke(env, { ...request, serial: management.serial });
    expect(await wanted(env)).toMatchObject({ "instance-1/management": { minSequence: 1 } });
  });

  test("refuses a CA's certificate, under which everything would be refused", async () => {
    const { env } = await domainWithInstance();
    const [first] = await env.store.read((view) => view.issuances.page({}, 1));
    const serial = first?.issuance.serial ?? "";
    expect(first?.issuance.kind).toBe("root");
    await expect(revoke(env, { serial, reason: "", actor: testActor })).rejects.toMatchObject({
      code: "forbidden",
    });
  });

  test.each([
    ["a process that does not exist", { process: "instance-9" as ProcessId }, "not-found"],
    ["a serial that was never issued", { serial: "00ff" }, "not-found"],
    ["the only Admin Node Manager", { process: "nodemanager-1" as ProcessId }, "forbidden"],
  ])("refuses %s and publishes nothing", async (_, what, code) => {
    const { env } = await domainWithInstance();
    const before = await env.store.read(currentTrust);
    await expect(revoke(env, { ...what, reason: "", actor: testActor })).rejects.toMatchObject({
      code,
    });
    expect(await env.store.read(currentTrust)).toEqual(before);
  });
});

describe("revoke of a Node Manager", () => {
  async function domainWithHost() {
    const env = await testEnvironment();
    await testControlDomain(env);
    const admission = await joinTestHost(env);
    await createInstance(env, { name: "one", group: "edge", hostId: host2, actor: testActor });
    await setInstanceEnabled(env, { id: instance, enabled: true, actor: testActor });
    await settleAgents(env);
    return { env, admission };
  }
  const request = { process: "nodemanager-2" as ProcessId, reason: "stolen", actor: testActor };

  test("denies the keys of the host's instances too, and names them", async () => {
    const { env } = await domainWithHost();
    const keys = await env.store.read(async (view) =>
      (await view.credentials.ofHost(host2)).flatMap(({ recorded }) => recorded.map((k) => k.spki)),
    );
    expect(keys).toHaveLength(3);
    expect(await revoke(env, request)).toMatchObject({
      denied: 3,
      processes: ["nodemanager-2", "instance-1"],
    });
    const { denied } = await env.store.read(currentTrust);
    expect(denied.map(({ fingerprint }) => fingerprint).toSorted()).toEqual(keys.toSorted());
  });

  test("is what the denial of the certificate that it presents amounts to", async () => {
    const { env, admission } = await domainWithHost();
    const { serial } = admission;
    expect(await revoke(env, { serial, reason: "stolen", actor: testActor })).toMatchObject({
      denied: 3,
      processes: ["nodemanager-2", "instance-1"],
    });
    expect(await env.store.read((view) => view.topology.host(host2))).toMatchObject({
      status: "revoked",
    });
  });

  test("leaves nothing of the host that a plan replaces or a gate waits for", async () => {
    const { env } = await domainWithHost();
    await revoke(env, request);
    env.clock.advance(60_000);
    await settleHost(env, host1);
    const wish = { kind: "rotate-ca", usages: ["management"], observeSeconds: 0, subject: null };
    const plan = await createPlan(env, wish as PlanWish, testActor);
    expect(plan.problems).toEqual([]);
    expect(plan.replaced).toEqual(["nodemanager-1/management"]);
    const { id } = await startRollout(env, plan.id, testActor);
    const waiver = { subject: "unmanaged:management", reason: "known", lifetimeSeconds: 1e6 };
    await waiveGate(env, id, { ...waiver, phase: "observe" }, testActor);
    const leadership = await claimTestLease(env);
    for (let count = 0; count < 20; count++) {
      await settleHost(env, host1);
      await advanceRollout(env, leadership, id, 0);
    }
    expect(await env.store.read((view) => view.rollouts.get(id))).toMatchObject({
      status: "completed",
    });
  });

  test("is for good: the host can neither return nor be approved nor get instances", async () => {
    const { env } = await domainWithHost();
    await revoke(env, request);
    const proof = { nonce: "00".repeat(32), requestPem: "", lastKey: "", proof: "" };
    const remedy = /delete its instances and the host .* join anew with a token/;
    await expect(returnHost(env, { hostId: host2, ...proof }, false)).rejects.toMatchObject({
      code: "denied",
      message: expect.stringMatching(remedy),
    });
    await expect(approveHost(env, host2, testActor)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(remedy),
    });
    const wish = { name: "two", group: "edge", hostId: host2, actor: testActor };
    await expect(createInstance(env, wish)).rejects.toMatchObject({ code: "denied" });
  });

  test("lets its instances and the host be deleted though nobody stopped them", async () => {
    const { env } = await domainWithHost();
    await revoke(env, request);
    await deleteInstance(env, { id: instance, actor: testActor });
    await deleteHost(env, { id: host2, actor: testActor });
    const { hosts, instances } = await env.store.read((view) => view.topology.whole());
    expect([hosts.map(({ id }) => id), instances]).toEqual([["host-1"], []]);
  });
});
