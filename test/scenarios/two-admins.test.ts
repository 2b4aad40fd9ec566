import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import type { HostId } from "../../src/kit/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

interface TwoAdmins {
  readonly domain: LiveDomain;
  /** Ports of the Admin Node Managers on host-1 and host-2. */
  readonly ports: readonly [number, number];
  /** A gateway on host-3. */
  readonly port: number;
  readonly load: LiveLoad;
}

/** Two Admin Node Managers that hold the keys of the CAs, and a host with an instance under load. */
async function twoAdmins(): Promise<TwoAdmins> {
  const domain = await LiveDomain.start(1);
  const login = await moveStoreTo(domain, [await testServer()]);
  const first = domain.adminPort;
  const second = await domain.join("host-2", login);
  const { authorities } = await domain.call("shareKeys", { params: { id: "host-2" as HostId } });
  const { authorityKey } = homeLayout(domain.home("host-2"));
  await waitUntil(() => authorities.every((id) => existsSync(authorityKey(id))), {
    deadlineMs: 20_000,
    what: "the second one has the keys",
  });
  await domain.join("host-3");
  const { port } = await domain.addInstance("host-3");
  const load = await LiveLoad.start(domain, [port]);
  return { domain, ports: [first, second], port, load };
}

/** The seconds that `work` takes until it succeeds for the first time. */
async function secondsUntil(what: string, work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await waitUntil(() => work().then(() => true), { deadlineMs: 30_000, what });
  return (performance.now() - begunMs) / 1000;
}

test("a second Admin Node Manager needs a store that both can reach", async () => {
  const domain = await LiveDomain.start(1);
  await expect(domain.join("host-2", {})).rejects.toMatchObject({ code: "not-supported" });
});

test("the second Admin Node Manager serves and signs alone when the first host is gone", async () => {
  const { domain, ports, port, load } = await twoAdmins();
  await domain.cutPower("host-1");
  domain.useAdmin(ports[1]);
  const wish = { body: { hostName: null, lifetimeSeconds: 60 } };
  expect(await secondsUntil("it answers", () => domain.call("createJoinToken", wish))).toBeLessThan(
    5,
  );
  const another = await domain.addInstance("host-3");
  expect(another.port).toBeGreaterThan(0);
  await domain.startNode("host-1");
  const replaced = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(replaced.rollout.status).toBe("completed");
  await load.stop();
  expect(load.at(port).failures).toEqual([]);
  expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });
});
