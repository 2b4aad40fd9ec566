import { describe, expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import { generateKeyPair } from "../keys/index.ts";
import { parseCertificate } from "../pki/index.ts";
import {
  joinTestHost,
  testActor as actor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { deleteHost } from "./instances.ts";
import { type Admission } from "./admission.ts";
import { createJoinToken } from "./join-token.ts";
import { currentTrust } from "./publish-trust.ts";
import { revoke } from "./revoke.ts";
import { recordSealingKey } from "./sealing-key.ts";
import { shareKeys } from "./share-keys.ts";

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  return env;
}

async function joinAdmin(env: TestEnvironment): Promise<Admission> {
  const wish = { hostName: null, isAdmin: true, lifetimeSeconds: 3600, actor };
  const { text: token } = await createJoinToken(env, wish);
  return joinTestHost(env, { token, isAdmin: true });
}

async function admins(env: TestEnvironment): Promise<string[]> {
  return (await env.store.read(currentTrust)).admins.map(({ id }) => id);
}

describe("joining as an Admin Node Manager", () => {
  test("makes one that the signed trust document names, with its role in the certificate", async () => {
    const env = await domain();
    const { host, der } = await joinAdmin(env);
    expect(host.nodeManager.isAdmin).toBe(true);
    expect(await admins(env)).toEqual(["nodemanager-1", "nodemanager-2"]);
    expect(parseCertificate(der).extensions.subjectAltName).toContainEqual({
      type: "uri",
      value: "spiffe://domain.example/anm/host-2",
    });
  });

  test("needs a token that was made for it", async () => {
    const env = await domain();
    await expect(joinTestHost(env, { isAdmin: true })).rejects.toMatchObject({ code: "forbidden" });
    expect(await admins(env)).toEqual(["nodemanager-1"]);
  });

  test("lets either go, and never the last", async () => {
    const env = await domain();
    await joinAdmin(env);
    await deleteHost(env, { id: "host-2" as HostId, actor });
    expect(await admins(env)).toEqual(["nodemanager-1"]);
    const last = deleteHost(env, { id: "host-1" as HostId, actor });
    await expect(last).rejects.toMatchObject({ code: "forbidden" });
  });

  test("lets the first be revoked, which nobody takes for an Admin Node Manager then", async () => {
    const env = await domain();
    const { host } = await joinAdmin(env);
    const { spki } = await generateKeyPair("ecdsa-p256");
    await recordSealingKey(env, host.id, Buffer.from(spki).toString("base64"));
    await shareKeys(env, { hostId: host.id, actor });
    await revoke(env, { process: "nodemanager-1" as ProcessId, reason: "stolen", actor });
    expect(await admins(env)).toEqual(["nodemanager-2"]);
    const last = revoke(env, { process: "nodemanager-2" as ProcessId, reason: "stolen", actor });
    await expect(last).rejects.toMatchObject({ code: "forbidden" });
  });
});
