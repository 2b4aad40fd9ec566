import { expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import type { KnownProcess } from "../domain/index.ts";
import { SeededRng } from "../../test/support/seeded-rng.ts";
import { knownProcess } from "../../test/support/test-domain.ts";
import { AdminChoice } from "./admin-choice.ts";

const admins = [1, 2, 3].map((n) => knownProcess(`nodemanager-${n}`, "anm", `host-${n}`, []));
const ids = (of: readonly { id: ProcessId }[]): string[] => of.map(({ id }) => id);

function choiceOf(hostId: string, random = 0.5) {
  const clock = { nowMs: 1_000_000 };
  const choice = new AdminChoice(hostId as HostId, {
    monotonicMs: () => clock.nowMs,
    random: () => random,
  });
  return { clock, choice };
}

test("hosts spread over the Admin Node Managers, and those of one that fails over the rest", () => {
  const first = new Map<string, number>();
  const second = new Map<string, number>();
  for (let n = 100; n < 1000; n++) {
    const { choice } = choiceOf(`host-${n}`);
    const chosen = choice.choose(admins);
    first.set(chosen?.id ?? "", (first.get(chosen?.id ?? "") ?? 0) + 1);
    if (chosen?.id !== "nodemanager-1") continue;
    choice.failed(chosen.id);
    const next = choice.choose(admins);
    second.set(next?.id ?? "", (second.get(next?.id ?? "") ?? 0) + 1);
  }
  expect([...first.keys()].toSorted()).toEqual(ids(admins));
  for (const count of first.values()) expect(count).toBeGreaterThan(230);
  expect([...second.keys()].toSorted()).toEqual(ids(admins.slice(1)));
  for (const count of second.values()) expect(count).toBeGreaterThan(100);
});

test("the Admin Node Manager of a host is preferred to all others by that host", () => {
  for (const n of [1, 2, 3])
    expect(choiceOf(`host-${n}`).choice.choose(admins)?.id).toBe(`nodemanager-${n}`);
});

test("a failed one is passed over until its pause is over; if all failed, the first that did is next", () => {
  const { choice, clock } = choiceOf("host-7");
  const order = choice.order(admins);
  const [a, b, c] = order.map(({ id }) => id) as [ProcessId, ProcessId, ProcessId];
  choice.failed(a);
  expect(choice.choose(admins)?.id).toBe(b);
  clock.nowMs += 10;
  choice.failed(b);
  clock.nowMs += 10;
  expect(choice.choose(admins, new Set([a, b]))?.id).toBe(c);
  choice.failed(c);
  expect(choice.choose(admins, new Set([c]))).toBeNull();
  expect(choice.choose(admins)?.id).toBe(a);
  expect(choice.choose([])).toBeNull();
});

test("the hosts of one that was away return to it over two minutes, not together", () => {
  const returnedAtMs: number[] = [];
  const rng = new SeededRng(7);
  const random = (): number => rng.next();
  for (let n = 100; n < 1000; n++) {
    let nowMs = 0;
    const choice = new AdminChoice(`host-${n}` as HostId, { monotonicMs: () => nowMs, random });
    if (choice.choose(admins)?.id !== "nodemanager-1") continue;
    // They lose it in the same moment, and call somebody at least every five seconds from then on.
    choice.failed("nodemanager-1" as ProcessId);
    choice.choose(admins);
    nowMs = random() * 5_000;
    while (choice.dueReturn(admins).length === 0 && nowMs < 1_000_000) nowMs += 5_000;
    returnedAtMs.push(nowMs);
  }
  expect(returnedAtMs.length).toBeGreaterThan(230);
  expect(Math.max(...returnedAtMs)).toBeLessThan(200_000);
  for (let fromMs = 0; fromMs < 200_000; fromMs += 5_000) {
    const together = returnedAtMs.filter((atMs) => atMs >= fromMs && atMs < fromMs + 5_000);
    expect(together.length).toBeLessThan(returnedAtMs.length / 10);
  }
});

test.each([
  ["host-7", 0, 60_000],
  ["host-7", 0.999, 179_880],
  ["host-1", 0, 2_500],
])("%s looks for those it prefers again after a while, at chance %d after %d ms", (...of) => {
  const [hostId, random, afterMs] = of;
  const { choice, clock } = choiceOf(hostId, random);
  const [preferred, other] = choice.order(admins) as [KnownProcess, KnownProcess];
  expect(choice.choose(admins)).toBe(preferred);
  expect(choice.dueReturn(admins)).toEqual([]);
  choice.failed(preferred.id);
  expect(choice.choose(admins)).toBe(other);
  choice.answered(other.id);
  clock.nowMs += 1;
  expect(choice.dueReturn(admins)).toEqual([]);
  clock.nowMs += afterMs - 1;
  expect(choice.dueReturn(admins)).toEqual([]);
  expect(choice.choose(admins)).toBe(other);
  clock.nowMs += 1;
  expect(choice.dueReturn(admins)).toEqual([preferred]);
  expect(choice.dueReturn(admins)).toEqual([]);
  choice.moveTo(preferred.id);
  expect(choice.choose(admins)).toBe(preferred);
  clock.nowMs += 1_000_000;
  expect(choice.dueReturn(admins)).toEqual([]);
});
