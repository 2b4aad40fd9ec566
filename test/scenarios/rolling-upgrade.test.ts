import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import type { HostId } from "../../src/kit/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { buildPreviousCommit } from "../support/previous-build.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

test("Admin Node Managers of the previous build and of this one share a store, also when the old one starts on the new schema", async () => {
  const previous = await buildPreviousCommit();
  const domain = await LiveDomain.start(1, { "host-1": previous, "host-3": previous });
  const login = await moveStoreTo(domain, [await testServer()]);
  const old = domain.adminPort;
  const upgraded = await domain.join("host-2", login);
  const { authorities } = await domain.call("shareKeys", { params: { id: "host-2" as HostId } });
  const { authorityKey } = homeLayout(domain.home("host-2"));
  await waitUntil(() => authorities.every((id) => existsSync(authorityKey(id))), {
    deadlineMs: 20_000,
    what: "the upgraded one has the keys",
  });
  await domain.join("host-3");
  const { port } = await domain.addInstance("host-3");
  const load = await LiveLoad.start(domain, [port]);
  await domain.cutPower("host-1");
  await domain.startNode("host-1");
  domain.useAdmin(old);
  const { rollout } = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(rollout.status).toBe("completed");
  for (const adminPort of [upgraded, old]) {
    domain.useAdmin(adminPort);
    expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });
  }
  await load.stop();
  expect(load.at(port).failures).toEqual([]);
});
