import { expect, test } from "vitest";
import { RenewalGate } from "./renewal-gate.ts";

const clock = { monotonicMs: () => performance.now() };

test("renewals that come together are let through in the order of their deadlines, at the rate", async () => {
  const gate = new RenewalGate({ renewalsPerSecond: 10 }, clock);
  const begunMs = performance.now();
  const order: number[] = [];
  await Promise.all(
    [5, 2, 4, 1, 3].map((deadlineMs) => gate.enter(deadlineMs).then(() => order.push(deadlineMs))),
  );
  expect(order).toEqual([1, 2, 3, 4, 5]);
  expect(performance.now() - begunMs).toBeGreaterThan(290);
});

test("the least urgent ones are told when to come again if there are too many", async () => {
  const gate = new RenewalGate({ renewalsPerSecond: 1 }, clock);
  const all = await Promise.allSettled([4, 3, 2, 1].map((deadlineMs) => gate.enter(deadlineMs)));
  expect(all.map(({ status }) => status)).toEqual([
    "rejected",
    "fulfilled",
    "fulfilled",
    "fulfilled",
  ]);
  expect(all[0]).toMatchObject({
    reason: { code: "rate-limited", context: { retryAfterMs: 3_000 } },
  });
});
