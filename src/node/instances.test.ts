import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { DomainError, type GroupId, type ProcessId } from "../kit/index.ts";
import type { DesiredState } from "../contract/index.ts";
import { nodeFixture } from "../../test/support/node-fixture.ts";
import { Instances, type InstanceKeeper } from "./instances.ts";
import { Liveness } from "./liveness.ts";

const silent = new DomainError("timeout", "no answer");
const refused = new DomainError("untrusted-server", "the key is denied");

/** One running instance whose every call fails with `failure`, looked at `looks` times. */
async function lookAt(failure: DomainError, looks: number) {
  const { state } = await nodeFixture();
  state.desired = {
    revision: 1,
    credentials: [],
    instances: [{ id: "instance-1", groupId: "group-2", enabled: true }],
  } as unknown as DesiredState;
  const done: string[] = [];
  const note = (what: string) => async () => {
    done.push(what);
    return true;
  };
  const keeper: InstanceKeeper = {
    pid: 7,
    hasFailed: false,
    lastError: null,
    isRunning: async () => true,
    keepRunning: async () => {},
    keepStopped: async () => void done.push("stop"),
    signalReload: note("signal"),
  };
  const fail = (): Promise<never> => Promise.reject(failure);
  const calls = { call: fail, status: fail, close: () => {} };
  const instances = new Instances(state, calls, () => keeper, new Liveness(0));
  for (let look = 0; look < looks; look++) await instances.converge();
  return { done, instances };
}

test("an instance that answers no call is stopped, so that it is started again", async () => {
  const { done } = await lookAt(silent, 3);
  expect(done).toEqual(["stop", "stop"]);
});

test("an instance that is refused is told once by a signal to load its files, and never stopped", async () => {
  const { done, instances } = await lookAt(refused, 5);
  expect(done).toEqual(["signal"]);
  expect(await instances.stateOf("instance-1" as ProcessId)).toMatchObject({
    state: "starting",
    pid: 7,
  });
  await expect(instances.reloadAll()).rejects.toMatchObject({ code: "not-running" });
});

test("what an earlier start did not live to remove is stopped and removed when a new desired state is known", async () => {
  const { state } = await nodeFixture();
  const { folder } = state.layout.instance("group-2" as GroupId, "instance-9" as ProcessId);
  await mkdir(folder, { recursive: true });
  let isRunning = true;
  const keeper = {
    isRunning: async () => isRunning,
    keepStopped: async () => void (isRunning = false),
  } as unknown as InstanceKeeper;
  const never = (): Promise<never> => Promise.reject(silent);
  const calls = { call: never, status: never, close: () => {} };
  const instances = new Instances(state, calls, () => keeper);
  // From a file: the newest that this host was told may name it.
  state.desired = { revision: 1, credentials: [], instances: [] } as unknown as DesiredState;
  await instances.converge();
  expect([isRunning, existsSync(folder)]).toEqual([true, true]);
  state.received = state.desired;
  await instances.converge();
  expect([isRunning, existsSync(folder)]).toEqual([false, false]);
});
