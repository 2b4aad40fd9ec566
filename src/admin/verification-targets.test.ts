import { expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import { configureGroup, createInstance, currentTrust, revoke } from "../control/index.ts";
import {
  joinTestHost,
  testActor as actor,
  testControlDomain,
  testEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import { verificationTargets } from "./verification-targets.ts";

async function serving() {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  const { group } = await createInstance(env, {
    name: "one",
    group: "edge",
    hostId: "host-2" as HostId,
    configuration: { routes: [], dnsNames: ["a.example", "b.example"] },
    actor,
  });
  await settleAgents(env);
  const listeners = () =>
    env.store.read(async (view) => {
      const document = await currentTrust(view);
      return (await verificationTargets(view, { epoch: document.epoch, document })).listeners;
    });
  return { env, group, listeners };
}

test("a listener is expected to show only names that its present certificate has", async () => {
  const { env, group, listeners } = await serving();
  const names = async () => (await listeners()).map(({ dnsNames }) => dnsNames);
  expect(await names()).toEqual([["a.example", "b.example"]]);
  const configuration = { routes: [], dnsNames: ["c.example", "b.example"] };
  await configureGroup(env, { id: group.id, configuration, actor });
  expect(await names()).toEqual([["b.example"]]);
  await settleAgents(env);
  expect(await names()).toEqual([["c.example", "b.example"]]);
});

test("a listener on a revoked host is none of those to be proven", async () => {
  const { env, listeners } = await serving();
  expect(await listeners()).toMatchObject([{ process: "instance-1", address: "beta.example" }]);
  const process = "nodemanager-2" as ProcessId;
  await revoke(env, { process, reason: "stolen", actor });
  expect(await listeners()).toEqual([]);
});
