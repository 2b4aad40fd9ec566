import { expect, test } from "vitest";
import type { HostId } from "../kit/index.ts";
import {
  joinTestHost,
  testActor,
  testControlDomain,
  testEnvironment,
} from "../../test/support/control-environment.ts";
import { desiredStateOf } from "./desired-state.ts";
import { setHostDial } from "./host-dial.ts";

async function withHost(changes: Parameters<typeof joinTestHost>[1] = {}) {
  const env = await testEnvironment();
  await testControlDomain(env);
  const { host } = await joinTestHost(env, changes);
  const wanted = async (): Promise<string | undefined> =>
    (
      await env.store.read((view) =>
        desiredStateOf(view, env, { hostId: host.id, epoch: 0, revision: 0 }),
      )
    ).dial;
  return { env, id: host.id, wanted };
}

test("a host is told who dials: itself, unless it joined otherwise or an administrator says so", async () => {
  const { env, id, wanted } = await withHost();
  expect(await wanted()).toBe("nm");
  await setHostDial(env, { id, dial: "anm", actor: testActor });
  expect(await wanted()).toBe("anm");
  expect(await (await withHost({ dial: "anm" })).wanted()).toBe("anm");
});

test("the host of an Admin Node Manager is not dialled", async () => {
  const { env } = await withHost();
  const change = setHostDial(env, { id: "host-1" as HostId, dial: "anm", actor: testActor });
  await expect(change).rejects.toMatchObject({ code: "not-supported" });
});
