import { expect, test } from "vitest";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

const token = { body: { hostName: null, lifetimeSeconds: 60 } };

test("without its database an Admin Node Manager says so, gateways serve on, and all is well when it is back", async () => {
  const server = await testServer();
  const domain = await LiveDomain.start(1);
  const instance = await domain.addInstance("host-1");
  await moveStoreTo(domain, [server]);
  const load = await LiveLoad.start(domain, [instance.port]);
  const admin = await domain.processOf("host-1", "run/admin.json");
  await server.stop("SIGQUIT");
  await waitUntil(
    async () => (await domain.call("listFindings")).findings.some(({ code }) => code === "cut-off"),
    { deadlineMs: 20_000, what: "it shows what it knew last, and says so" },
  );
  // Also to who comes now.
  expect(await domain.logIn()).toBe(true);
  expect((await domain.call("getTopology")).hosts).toMatchObject([{ connected: true }]);
  expect(await domain.metric("gatehouse_store_reachable")).toBe(0);
  expect(await domain.readiness()).toBe("cut-off");
  await expect(domain.call("createJoinToken", token)).rejects.toMatchObject({
    code: "store-unavailable",
    message: expect.stringMatching(/refuses connections/),
  });
  const asked = load.at(instance.port).requests;
  await waitUntil(() => load.at(instance.port).requests > asked + 100, {
    deadlineMs: 20_000,
    what: "a hundred requests more",
  });
  await server.start();
  await waitUntil(async () => (await domain.metric("gatehouse_store_reachable")) === 1, {
    deadlineMs: 20_000,
    what: "it reaches its database again",
  });
  // The session of before was for as long as it was cut off.
  expect(await domain.logIn()).toBe(true);
  const replaced = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(replaced.rollout.status).toBe("completed");
  await load.stop();
  expect(load.at(instance.port).failures).toEqual([]);
  expect(await domain.processOf("host-1", "run/admin.json")).toEqual(admin);
});
