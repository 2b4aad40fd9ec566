import { expect, test } from "vitest";
import { testControlDomain, testEnvironment } from "../../test/support/control-environment.ts";
import { requireHost } from "./publish-trust.ts";
import { recordSealingKey } from "./sealing-key.ts";

test("recordSealingKey notes the key of a host once, and again when it differs", async () => {
  const env = await testEnvironment();
  const { host } = await testControlDomain(env);
  for (const key of ["a", "a", "b"]) await recordSealingKey(env, host.id, key);
  const { records, nodeManager } = await env.store.read(async (view) => ({
    records: await view.audit.page({}, 1000),
    nodeManager: (await requireHost(view, host.id)).nodeManager,
  }));
  expect(nodeManager.sealingKey).toBe("b");
  const noted = records.filter(({ action }) => action === "host.sealing-key");
  expect(noted.map(({ detail }) => detail)).toEqual([{ sealingKey: "a" }, { sealingKey: "b" }]);
});
