import { expect, test } from "vitest";
import { TestDomain } from "../../test/support/test-domain.ts";
import { LoadedTrust } from "./loaded-trust.ts";

const epochs = (trust: LoadedTrust): number[] =>
  trust.recent.map(
    ({ payload }) =>
      (JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as { epoch: number }).epoch,
  );

test("the last links that were loaded are kept, without a gap, through a restart, and no more than are needed", async () => {
  const domain = await TestDomain.create();
  for (let i = 0; i < 300; i++) domain.publish({});
  const { trust } = domain;
  expect(trust.epoch).toBe(301);
  expect(epochs(trust)).toEqual(Array.from({ length: 256 }, (_, i) => 46 + i));
  const restored = LoadedTrust.restore({ ...trust.save(), recent: trust.recent });
  domain.publish({});
  restored.accept(trust.recent.slice(-1));
  expect(epochs(restored)).toEqual(epochs(trust));
  // Written by a version that kept none.
  expect(epochs(LoadedTrust.restore(trust.save()))).toEqual([302]);
});

test("of very long links only the newest are kept, and always the last one", async () => {
  const domain = await TestDomain.create();
  const deny = Array.from({ length: 9000 }, (_, i) => ({
    kind: "key" as const,
    fingerprint: String(i).padStart(64, "0"),
    reason: "x".repeat(64),
  }));
  domain.publish({ denied: deny });
  domain.publish({});
  expect(epochs(domain.trust)).toEqual([3]);
});
