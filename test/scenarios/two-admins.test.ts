import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { HostId } from "../../src/kit/index.ts";
import { homeLayout } from "../../src/domain/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

test("a second Admin Node Manager serves, and leads when the first host is gone", async () => {
  const domain = await LiveDomain.start(1);
  await expect(domain.join("host-2", {})).rejects.toMatchObject({ code: "not-supported" });
  const login = await moveStoreTo(domain, [await testServer()]);
  const firstPort = domain.adminPort;
  const secondPort = await domain.join("host-2", login);
  await domain.join("host-3");
  const instance = await domain.addInstance("host-3");
  const load = await LiveLoad.start(domain, [instance.port]);
  domain.useAdmin(secondPort);
  const { hosts } = await domain.call("getTopology");
  expect(hosts.filter(({ nodeManager }) => nodeManager.isAdmin).map(({ id }) => id)).toEqual([
    "host-1",
    "host-2",
  ]);
  // Through the one that has them: the other would have nothing to seal.
  domain.useAdmin(firstPort);
  const { authorities } = await domain.call("shareKeys", { params: { id: "host-2" as HostId } });
  domain.useAdmin(secondPort);
  const second = homeLayout(domain.home("host-2"));
  await waitUntil(async () => authorities.every((id) => existsSync(second.authorityKey(id))), {
    deadlineMs: 10_000,
    what: "the second one has taken the keys",
  });
  await domain.cutPower("host-1");
  await waitUntil(async () => (await domain.call("listCredentials")).credentials.length > 0, {
    deadlineMs: 30_000,
    what: "the second one answers alone",
  });
  const another = await domain.addInstance("host-3");
  expect(another.port).toBeGreaterThan(0);
  await domain.startNode("host-1");
  domain.useAdmin(firstPort);
  const replaced = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(replaced.rollout.status).toBe("completed");
  await load.stop();
  expect(load.at(instance.port).failures).toEqual([]);
  expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });
});
