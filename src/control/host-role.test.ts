import { describe, expect, test } from "vitest";
import type { CredentialId, HostId } from "../kit/index.ts";
import type { AdminObservation } from "../domain/index.ts";
import { parseCertificate } from "../pki/index.ts";
import {
  issueFor,
  joinTestHost,
  testActor as actor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { testProcess } from "../../test/support/snapshots.ts";
import { desiredStateOf } from "./desired-state.ts";
import { setHostRole } from "./host-role.ts";
import { recordObservation } from "./observe.ts";
import { currentTrust, knownNodeManager, requireHost } from "./publish-trust.ts";
import { createPlan, startRollout } from "./rollouts.ts";

const id = "host-2" as HostId;
const own = "nodemanager-2/management" as CredentialId;

/** Two hosts, the second with a plain Node Manager that says how it logs in to the database. */
async function domain(admin: Partial<AdminObservation> | null = {}): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  await reports(env, admin);
  return env;
}

/** A report of the second host, which shows its newest certificate. */
async function reports(env: TestEnvironment, admin: Partial<AdminObservation> | null = {}) {
  const key = (await env.store.read((view) => view.credentials.get(own)))?.recorded.at(-1);
  if (key === undefined) throw new Error("it has a certificate");
  const { sequence, serial, authorityId, notAfterMs } = key;
  const installed = { sequence, serial, authorityId, notAfterMs };
  const said = { isAdmin: false, hasDatabaseLogin: true, problem: null, ...admin };
  await recordObservation(
    env,
    id,
    {
      bootId: "boot-id-2",
      processes: [testProcess("nodemanager-2" as never, 2)],
      credentials: [{ id: own, installed, seenOnWire: null, failedRenewals: 0, lastError: null }],
      proofs: [],
      ...(admin === null ? {} : { admin: said }),
    },
    {
      seenSerial: serial,
      seenBy: "nodemanager-2.admin" as never,
      adminProcess: null,
      servedSerial: null,
      proofs: [],
    },
  );
}

const change = (env: TestEnvironment, isAdmin: boolean, host = id) =>
  setHostRole(env, { id: host, isAdmin, actor });
const admins = async (env: TestEnvironment): Promise<string[]> =>
  (await env.store.read(currentTrust)).admins.map((admin) => admin.id);
const known = (env: TestEnvironment): Promise<[string, number][]> =>
  env.store.read(async (view) =>
    (await knownNodeManager(view, await requireHost(view, id))).map(({ role, keys }) => [
      role,
      keys.length,
    ]),
  );
const uri = (der: Uint8Array): unknown =>
  parseCertificate(der).extensions.subjectAltName?.find(({ type }) => type === "uri");

describe("setHostRole", () => {
  test("has peers know a host by both roles, each with its own keys, until the new certificate is seen", async () => {
    const env = await domain();
    await change(env, true);
    expect(await known(env)).toEqual([
      ["nm", 1],
      ["anm", 0],
    ]);
    expect(await admins(env)).toEqual(["nodemanager-1"]);
    const { der } = await issueFor(env, id, own);
    expect(uri(der)).toMatchObject({ value: "spiffe://domain.example/anm/host-2" });
    expect(await known(env)).toEqual([
      ["nm", 1],
      ["anm", 1],
    ]);
    expect(await admins(env)).toEqual(["nodemanager-1", "nodemanager-2"]);
    await reports(env);
    expect(await known(env)).toEqual([["anm", 1]]);
  });

  test("takes admin capability back at once, and the certificate of it when the other one is seen", async () => {
    const env = await domain();
    await change(env, true);
    await issueFor(env, id, own);
    await reports(env);
    await change(env, false);
    expect(await admins(env)).toEqual(["nodemanager-1"]);
    expect(await known(env)).toEqual([
      ["anm", 1],
      ["nm", 0],
    ]);
    const { der } = await issueFor(env, id, own);
    expect(uri(der)).toMatchObject({ value: "spiffe://domain.example/nm/host-2" });
    await reports(env);
    expect(await known(env)).toEqual([["nm", 1]]);
  });

  test("has a host that is changed back before it has done anything go on with what it has", async () => {
    const env = await domain();
    await change(env, true);
    await change(env, false);
    expect(await known(env)).toEqual([["nm", 1]]);
  });

  test("tells the host what to be, and which keys nobody else has", async () => {
    const env = await domain();
    await change(env, true);
    const desired = await env.store.read((view) =>
      desiredStateOf(view, env, { hostId: id, epoch: 0, revision: 1 }),
    );
    expect(desired.role).toMatchObject({ isAdmin: true, keepKeysOf: [] });
  });

  test("refuses the last Admin Node Manager", async () => {
    const env = await domain();
    await reportsOfFirst(env);
    await expect(change(env, false, "host-1" as HostId)).rejects.toMatchObject({
      code: "forbidden",
      message: expect.stringContaining("--edit_host --host HOST --is_admin") as string,
    });
  });

  test("refuses the last holder of a key that may sign", async () => {
    const env = await domain();
    await change(env, true);
    await reportsOfFirst(env);
    await expect(change(env, false, "host-1" as HostId)).rejects.toMatchObject({
      code: "forbidden",
      message: expect.stringContaining("gatehouse authority move HOST") as string,
    });
  });

  test("refuses a host without a login to the database, unless the caller has seen to it", async () => {
    const env = await domain({ hasDatabaseLogin: false });
    await expect(change(env, true)).rejects.toMatchObject({ code: "not-supported" });
    await setHostRole(env, { id, isAdmin: true, hasDatabaseLogin: true, actor });
  });

  test("refuses a host that is away, or of a version that cannot change", async () => {
    const old = await domain(null);
    await expect(change(old, true)).rejects.toMatchObject({ code: "not-supported" });
    const env = await domain();
    env.clock.advance(60_000);
    await expect(change(env, true)).rejects.toMatchObject({ code: "not-running" });
  });

  test("and a rollout, which might present a certificate of the role before again, keep out of each other's way", async () => {
    const env = await domain();
    const plan = await createPlan(env, { kind: "replace-leaves", credentials: null }, actor);
    await startRollout(env, plan.id, actor);
    await expect(change(env, true)).rejects.toMatchObject({ code: "rollout-active" });
    const other = await domain();
    await change(other, true);
    const later = await createPlan(other, { kind: "replace-leaves", credentials: null }, actor);
    await expect(startRollout(other, later.id, actor)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("beta is becoming an Admin Node Manager") as string,
    });
  });
});

async function reportsOfFirst(env: TestEnvironment): Promise<void> {
  const report = {
    bootId: "boot-id-1",
    processes: [],
    credentials: [],
    proofs: [],
    admin: { isAdmin: true, hasDatabaseLogin: true, problem: null },
  };
  await recordObservation(env, "host-1" as HostId, report, {
    seenSerial: "",
    seenBy: "nodemanager-1.admin" as never,
    adminProcess: null,
    servedSerial: null,
    proofs: [],
  });
}
