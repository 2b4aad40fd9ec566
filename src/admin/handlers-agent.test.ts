import { once } from "node:events";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import {
  joinTestHost,
  newRequest,
  testControlDomain,
  testEnvironment,
} from "../../test/support/control-environment.ts";
import type { AdminState } from "./admin-state.ts";
import { agentHandlers } from "./handlers-agent.ts";
import { Presence } from "./presence.ts";
import { StrayTrust } from "./stray-trust.ts";

const hostId = "host-2" as HostId;
const silentMs = 15_001;

/** Two Admin Node Managers on one store, and what a Node Manager says to them. */
async function site() {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  const adminOf = (number: number): AdminState =>
    ({
      env,
      hostId: `host-9${number}`,
      processId: `nodemanager-9${number}.admin` as ProcessId,
      presence: new Presence(),
      strays: new StrayTrust(),
      refreshTrust: async () => {},
    }) as unknown as AdminState;
  const call = { actor: "host:host-2", params: undefined as never };
  const start = (bootId: string) => {
    const sockets = new Map<AdminState, Socket>();
    const callerOf = (admin: AdminState) => {
      const socket = sockets.get(admin) ?? new Socket();
      sockets.set(admin, socket);
      return { kind: "agent" as const, hostId, serial: "aa", socket };
    };
    return {
      ask: (admin: AdminState) =>
        agentHandlers.getDesiredState(admin, {
          ...call,
          body: undefined as never,
          query: { revision: 0, epoch: 0, waitMs: 0, bootId },
          caller: callerOf(admin) as never,
        }),
      report: (admin: AdminState) =>
        agentHandlers.reportObservedState(admin, {
          ...call,
          query: undefined as never,
          body: { bootId, processes: [], credentials: [], proofs: [] },
          caller: callerOf(admin) as never,
        }),
      async leave(admin: AdminState) {
        sockets.get(admin)?.destroy();
        await new Promise((resolve) => setImmediate(resolve));
        sockets.delete(admin);
      },
    };
  };
  return { env, one: adminOf(1), two: adminOf(2), start };
}

const refusal = { code: "identity-in-use" };

test("a copy is refused at every Admin Node Manager while its original reports at one, and is told", async () => {
  const { env, one, two, start } = await site();
  const [original, copy] = [start("original"), start("the copy")];
  await original.ask(one);
  await original.report(one);
  await expect(copy.ask(one)).rejects.toMatchObject(refusal);
  expect([...one.presence.rivals()]).toEqual([[hostId, 1]]);
  for (let beats = 0; beats < 5; beats++) {
    await expect(copy.ask(two)).rejects.toMatchObject(refusal);
    env.clock.advance(5_000);
    await original.report(one);
  }
  expect([...two.presence.rivals()]).toEqual([[hostId, 4]]);
  await original.ask(two);
  await original.report(two);
  await expect(copy.report(one)).rejects.toMatchObject(refusal);
});

test("nothing is issued for a Node Manager that has gone before its turn", async () => {
  const { env, one } = await site();
  const issued = () => env.store.read((view) => view.issuances.page({}, 1000));
  const before = await issued();
  const socket = new Socket();
  socket.destroy();
  const asked = agentHandlers.issueCredential(one, {
    actor: "host:host-2",
    params: undefined as never,
    query: undefined as never,
    body: {
      credentialId: "nodemanager-2/management" as never,
      requestPem: (await newRequest()).pem,
    },
    caller: { kind: "agent", hostId, serial: "aa", socket } as never,
  });
  await expect(asked).rejects.toMatchObject({ code: "timeout" });
  expect(await issued()).toEqual(before);
});

test("a connection that ended before it was let in keeps no place", async () => {
  const presence = new Presence();
  const socket = new Socket();
  const closed = once(socket, "close");
  socket.destroy();
  await closed;
  presence.claim(hostId, "first", socket);
  expect(presence.isConnected(hostId)).toBe(false);
});

test("a Node Manager that was started anew is let in where it was at once, elsewhere when it was silent", async () => {
  const { env, one, two, start } = await site();
  const first = start("first");
  await first.ask(one);
  await first.report(one);
  await first.leave(one);
  const second = start("second");
  await second.ask(one);
  await second.report(one);
  await second.leave(one);
  const third = start("third");
  await expect(third.ask(two)).rejects.toMatchObject(refusal);
  env.clock.advance(silentMs);
  await third.ask(two);
  await third.report(two);
  // The next time it is another start that is refused once: no rival of the one that reported meanwhile.
  await expect(start("fourth").ask(one)).rejects.toMatchObject(refusal);
  env.clock.advance(5_000);
  await third.report(two);
  await expect(start("fifth").ask(one)).rejects.toMatchObject(refusal);
  expect(one.presence.rivals().size).toBe(0);
  expect(two.presence.rivals().size).toBe(0);
});
