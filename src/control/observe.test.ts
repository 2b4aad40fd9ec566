import { describe, expect, test } from "vitest";
import type { CredentialId, HostId, ProcessId, RelyingPartyId } from "../kit/index.ts";
import { adminProcessOf, type Credential, type HostObservation } from "../domain/index.ts";
import type { ObservedReport } from "../contract/index.ts";
import {
  issueFor,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import { testProcess } from "../../test/support/snapshots.ts";
import { createInstance } from "./instances.ts";
import {
  isOwnProcessRecorded,
  recordObservation,
  recordOwnProcess,
  recordRelyingParty,
  type OwnEvidence,
} from "./observe.ts";
import { createPlan, startRollout } from "./rollouts.ts";

const host1 = "host-1" as HostId;
const own = "nodemanager-1/management" as CredentialId;
const admin = adminProcessOf("nodemanager-1" as ProcessId);
const traffic = "instance-1/traffic" as CredentialId;

async function domain(): Promise<{ env: TestEnvironment; serials: Record<string, string> }> {
  const env = await testEnvironment();
  const { issued } = await testControlDomain(env);
  await createInstance(env, { name: "one", group: "edge", hostId: host1, actor: testActor });
  const first = await issueFor(env, host1, traffic);
  return { env, serials: { [own]: issued.serial, [traffic]: first.serial } };
}

function reported(
  id: CredentialId,
  serial: string,
  seen: string | null,
): ObservedReport["credentials"][number] {
  return {
    id,
    installed: { sequence: 1, serial, authorityId: "x" as never, notAfterMs: 0 },
    seenOnWire: seen === null ? null : { serial: seen, by: "nodemanager-1" as ProcessId, atMs: 0 },
    failedRenewals: 0,
    lastError: null,
  };
}

function report(credentials: ObservedReport["credentials"]): ObservedReport {
  const processes = [testProcess("nodemanager-1" as ProcessId, 2)];
  return { bootId: "boot-id-1", processes, credentials, proofs: [] };
}

function evidence(changes: Partial<OwnEvidence> = {}): OwnEvidence {
  return {
    seenSerial: "",
    seenBy: admin,
    adminProcess: null,
    servedSerial: null,
    proofs: [],
    ...changes,
  };
}

async function credentialOf(env: TestEnvironment, id: CredentialId): Promise<Credential> {
  const found = await env.store.read((view) => view.credentials.get(id));
  if (found === undefined) throw new Error(`there is no ${id}`);
  return found;
}

const confirmedOf = async (env: TestEnvironment, id: CredentialId): Promise<boolean[]> =>
  (await credentialOf(env, id)).recorded.map(({ confirmed }) => confirmed);

function observationOf(env: TestEnvironment): Promise<HostObservation | undefined> {
  return env.store.read((view) => view.observations.host(host1));
}

describe("recordObservation", () => {
  test("replaces what was known of the host, with the time at which it arrived", async () => {
    const { env, serials } = await domain();
    await recordObservation(env, host1, report([]), evidence());
    env.clock.advance(5_000);
    const given = report([reported(traffic, serials[traffic] ?? "", null)]);
    await recordObservation(env, host1, given, evidence());
    expect(await observationOf(env)).toMatchObject({
      ...given,
      hostId: host1,
      receivedAtMs: env.clock.nowMs(),
    });
  });

  test("confirms a key when its certificate was seen on the wire, and raises the host document", async () => {
    const { env, serials } = await domain();
    const serial = serials[traffic] ?? "";
    const version = async (): Promise<number> =>
      env.store.read(async (view) => (await view.topology.host(host1))?.documentVersion ?? 0);
    const [before, revision] = [await version(), await env.store.revision()];
    await recordObservation(env, host1, report([reported(traffic, serial, null)]), evidence());
    expect(await confirmedOf(env, traffic)).toEqual([false]);
    await recordObservation(env, host1, report([reported(traffic, serial, "another")]), evidence());
    expect(await confirmedOf(env, traffic)).toEqual([false]);
    await recordObservation(env, host1, report([reported(traffic, serial, serial)]), evidence());
    expect(await confirmedOf(env, traffic)).toEqual([true]);
    await recordObservation(env, host1, report([reported(traffic, serial, serial)]), evidence());
    expect([await version(), await env.store.revision()]).toEqual([before + 1, revision]);
  });

  test("takes the peer's word, not the Node Manager's, for the Node Manager's own certificate", async () => {
    const { env, serials } = await domain();
    const serial = serials[own] ?? "";
    const boasting = report([reported(own, serial, serial)]);
    await recordObservation(env, host1, boasting, evidence({ seenSerial: "an earlier one" }));
    expect(await confirmedOf(env, own)).toEqual([false]);
    await recordObservation(env, host1, boasting, evidence({ seenSerial: serial }));
    expect(await confirmedOf(env, own)).toEqual([true]);
    expect((await observationOf(env))?.credentials[0]?.seenOnWire).toMatchObject({
      serial,
      by: admin,
    });
  });

  test("counts an Admin Node Manager's certificate as seen only when its server shows it too", async () => {
    const { env, serials } = await domain();
    const serial = serials[own] ?? "";
    const given = report([reported(own, serial, null)]);
    const seen = { seenSerial: serial, adminProcess: testProcess(admin, 2) };
    await recordObservation(
      env,
      host1,
      given,
      evidence({ ...seen, servedSerial: "the one before" }),
    );
    expect((await observationOf(env))?.credentials[0]?.seenOnWire).toBeNull();
    expect(await confirmedOf(env, own)).toEqual([false]);
    await recordObservation(env, host1, given, evidence({ ...seen, servedSerial: serial }));
    expect(await confirmedOf(env, own)).toEqual([true]);
  });

  test("forgets superseded keys at once in quiet times, and none while a rollout is open", async () => {
    const { env } = await domain();
    await settleAgents(env);
    await issueFor(env, host1, traffic);
    const plan = await createPlan(env, { kind: "replace-leaves", credentials: null }, testActor);
    expect((await credentialOf(env, traffic)).recorded).toHaveLength(2);
    await settleAgents(env);
    expect((await credentialOf(env, traffic)).recorded).toHaveLength(1);
    await startRollout(env, plan.id, testActor);
    await issueFor(env, host1, traffic);
    await settleAgents(env);
    expect((await credentialOf(env, traffic)).recorded).toHaveLength(2);
  });

  test("keeps the proof with the highest epoch of each edge", async () => {
    const { env } = await domain();
    const proof = (verifierEpoch: number, presenter = "instance-1") => ({
      verifier: "nodemanager-1" as ProcessId,
      presenter: presenter as ProcessId,
      authorityId: "management-2" as never,
      verifierEpoch,
      atMs: 0,
    });
    const given = { ...report([]), proofs: [proof(3), proof(5), proof(4), proof(1, "instance-2")] };
    await recordObservation(env, host1, given, evidence({ proofs: [proof(2)] }));
    expect((await observationOf(env))?.proofs).toEqual([proof(5), proof(1, "instance-2")]);
  });

  test("remembers what changed in the status of a member, since its server forgets it", async () => {
    const { env } = await domain();
    const said = async (role: "active" | "standby" | null): Promise<void> => {
      const nothing = { members: null, connected: null, synchronised: null };
      const member = {
        id: "member-1" as ProcessId,
        installed: null,
        accepts: [],
        status: role === null ? null : { role, ...nothing },
        changedFiles: [],
        findings: [],
        problem: null,
      };
      await recordObservation(env, host1, { ...report([]), members: [member] }, evidence());
    };
    for (const role of ["active", null, "standby", "standby"] as const) await said(role);
    const seen = await env.store.read((view) => view.observations.host(host1));
    const history = seen?.members?.[0]?.history ?? [];
    expect(history.map(({ what, from, to }) => `${what}: ${from} -> ${to}`)).toContain(
      "answers: yes -> ",
    );
    expect(history.every(({ atMs }) => atMs === env.clock.nowMs())).toBe(true);
    expect(history.length).toBeLessThan(5);
  });

  test("takes a report that names a credential which was deleted meanwhile", async () => {
    const { env } = await domain();
    const gone = "instance-9/traffic" as CredentialId;
    await recordObservation(env, host1, report([reported(gone, "aa", "aa")]), evidence());
    expect((await observationOf(env))?.credentials).toHaveLength(1);
  });
});

describe("recordObservation by one of several Admin Node Managers", () => {
  const other = adminProcessOf("nodemanager-2" as ProcessId);
  const adminProof = {
    verifier: admin,
    presenter: "nodemanager-2" as ProcessId,
    authorityId: "management-2" as never,
    verifierEpoch: 2,
    atMs: 0,
  };

  test("keeps what the host's own one said of itself when another one takes the report", async () => {
    const { env } = await domain();
    const own1 = { adminProcess: testProcess(admin, 2), proofs: [adminProof] };
    await recordObservation(env, host1, report([]), evidence(own1));
    await recordObservation(env, host1, report([]), evidence({ seenBy: other }));
    const kept = await observationOf(env);
    expect(kept?.processes).toEqual([
      testProcess("nodemanager-1" as ProcessId, 2),
      testProcess(admin, 2),
    ]);
    expect(kept?.proofs).toEqual([adminProof]);
    await recordObservation(env, host1, report([]), evidence({ ...own1, proofs: [] }));
    expect((await observationOf(env))?.proofs).toEqual([]);
  });

  test("takes only the host's own one's word for the certificate that its server shows", async () => {
    const { env, serials } = await domain();
    const given = report([reported(own, serials[own] ?? "", null)]);
    const seenBy = async (of: Partial<OwnEvidence>): Promise<string | undefined> => {
      await recordObservation(env, host1, given, evidence(of));
      return (await observationOf(env))?.credentials[0]?.seenOnWire?.serial;
    };
    expect(await seenBy({ seenBy: other, seenSerial: "aa" })).toBeUndefined();
    expect(await seenBy({ seenSerial: "bb" })).toBe("bb");
    expect(await seenBy({ seenBy: other, seenSerial: "aa" })).toBe("bb");
  });

  test("refuses a start while another one reports elsewhere, and takes it when that is silent", async () => {
    const { env } = await domain();
    const say = (bootId: string, seenBy: ProcessId): Promise<unknown> =>
      recordObservation(env, host1, { ...report([]), bootId }, evidence({ seenBy }));
    const held = async (): Promise<unknown> => {
      const seen = await observationOf(env);
      return [seen?.bootId, seen?.receivedBy];
    };
    await say("original", admin);
    await expect(say("the copy", other)).rejects.toMatchObject({ code: "identity-in-use" });
    expect(await held()).toEqual(["original", admin]);
    // The very start may move; and who took its last report decides for itself.
    await say("original", other);
    await say("started anew", other);
    expect(await held()).toEqual(["started anew", other]);
    env.clock.advance(15_000);
    await expect(say("original", admin)).rejects.toMatchObject({ code: "identity-in-use" });
    env.clock.advance(1);
    await say("original", admin);
    // The clock of one of them was put back by a day.
    env.clock.advance(-86_400_000);
    await say("started again", other);
    expect(await held()).toEqual(["started again", other]);
  });

  test("ignores a report that a later one of the same start has overtaken", async () => {
    const { env } = await domain();
    const say = async (bootId: string, sequence: number): Promise<unknown> => {
      await recordObservation(env, host1, { ...report([]), bootId, sequence }, evidence());
      const seen = await observationOf(env);
      return [seen?.bootId, seen?.sequence, seen?.receivedAtMs];
    };
    const first = await say("boot-id-1", 7);
    env.clock.advance(1_000);
    expect(await say("boot-id-1", 6)).toEqual(first);
    const atMs = env.clock.nowMs();
    expect(await say("boot-id-1", 7)).toEqual(["boot-id-1", 7, atMs]);
    expect(await say("boot-id-1", 8)).toEqual(["boot-id-1", 8, atMs]);
    expect(await say("boot-id-2", 1)).toEqual(["boot-id-2", 1, atMs]);
  });
});

describe("isOwnProcessRecorded", () => {
  test("is false when the store has another state or an older proof of the process", async () => {
    const { env } = await domain();
    const proof = (verifierEpoch: number, atMs = 0) => ({
      verifier: admin,
      presenter: "nodemanager-1" as ProcessId,
      authorityId: "management-2" as never,
      verifierEpoch,
      atMs,
    });
    const isRecorded = (epoch: number, proofs: ReturnType<typeof proof>[]): Promise<boolean> =>
      isOwnProcessRecorded(env, host1, { adminProcess: testProcess(admin, epoch), proofs });
    expect(await isRecorded(2, [])).toBe(true);
    await recordObservation(env, host1, report([]), evidence());
    expect(await isRecorded(2, [])).toBe(false);
    const said = { adminProcess: testProcess(admin, 2), proofs: [proof(2)] };
    await recordOwnProcess(env, host1, said);
    expect(await isRecorded(2, [proof(2, 9)])).toBe(true);
    expect(await isRecorded(3, [proof(2)])).toBe(false);
    expect(await isRecorded(2, [proof(3)])).toBe(false);
    expect(await isRecorded(2, [{ ...proof(2), presenter: "x" as ProcessId }])).toBe(false);
  });
});

describe("recordOwnProcess", () => {
  test("replaces the Admin Node Manager's part, and leaves the host's report and its time", async () => {
    const { env } = await domain();
    await recordObservation(
      env,
      host1,
      report([]),
      evidence({ adminProcess: testProcess(admin, 2) }),
    );
    const before = await observationOf(env);
    env.clock.advance(1_000);
    await recordOwnProcess(env, host1, { adminProcess: testProcess(admin, 3), proofs: [] });
    expect(await observationOf(env)).toEqual({
      ...before,
      processes: [testProcess("nodemanager-1" as ProcessId, 2), testProcess(admin, 3)],
    });
  });

  test("says nothing of a host that has not reported yet", async () => {
    const { env } = await domain();
    await recordOwnProcess(env, host1, { adminProcess: testProcess(admin, 3), proofs: [] });
    expect(await observationOf(env)).toBeUndefined();
  });
});

describe("recordRelyingParty", () => {
  test("keeps its proofs as those of this very party", async () => {
    const { env } = await domain();
    const id = "relying-party-1" as RelyingPartyId;
    const proof = {
      presenter: "instance-1" as ProcessId,
      authorityId: "traffic-2" as never,
      verifierEpoch: 4,
    };
    await recordRelyingParty(env, id, {
      loadedEpoch: 4,
      oldestConnectionEpoch: 2,
      proofs: [proof],
    });
    expect(await env.store.read((view) => view.observations.relyingParties())).toEqual([
      {
        id,
        receivedAtMs: env.clock.nowMs(),
        loadedEpoch: 4,
        oldestConnectionEpoch: 2,
        proofs: [{ ...proof, verifier: id, atMs: env.clock.nowMs() }],
      },
    ]);
  });
});
