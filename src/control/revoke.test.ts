import { describe, expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import {
  issueFor,
  testActor,
  testControlDomain,
  testEnvironment,
} from "../../test/support/control-environment.ts";
import { createInstance } from "./instances.ts";
import { currentTrust } from "./publish-trust.ts";
import { revoke } from "./revoke.ts";

const host1 = "host-1" as HostId;
const instance = "instance-1" as ProcessId;

async function domainWithInstance() {
  const env = await testEnvironment();
  const { issued } = await testControlDomain(env);
  await createInstance(env, { name: "one", group: "edge", hostId: host1, actor: testActor });
  const management = await issueFor(env, host1, "instance-1/management");
  const traffic = await issueFor(env, host1, "instance-1/traffic");
  return { env, issued, management, traffic };
}

describe("revoke", () => {
  test("denies every recorded key of a process in the next link of the trust chain", async () => {
    const { env } = await domainWithInstance();
    const before = await env.store.read(currentTrust);
    const request = { process: instance, reason: "stolen", actor: testActor };
    expect(await revoke(env, request)).toEqual({ epoch: before.epoch + 1, denied: 2 });
    const { denied, epoch } = await env.store.read(currentTrust);
    expect(epoch).toBe(before.epoch + 1);
    const keys = await env.store.read(async (view) =>
      (await view.credentials.ofHost(host1))
        .filter(({ process }) => process === instance)
        .flatMap(({ recorded }) => recorded.map(({ spki }) => spki)),
    );
    expect(denied).toEqual(
      keys.map((fingerprint) => ({ kind: "key", fingerprint, reason: "stolen" })),
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
    const last = await env.store.read(async (view) => (await view.audit.page(0, 100)).at(-1));
    expect(last).toMatchObject({
      actor: "user:eve",
      action: "certificate.revoke",
      subject: "instance-1",
      detail: { reason: "stolen" },
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
