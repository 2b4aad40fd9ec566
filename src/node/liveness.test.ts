import { expect, test } from "vitest";
import { DomainError, type ProcessId } from "../kit/index.ts";
import { isSilence, Liveness } from "./liveness.ts";

const [one, two] = ["instance-1", "instance-2"] as [ProcessId, ProcessId];

/** Calls that are not answered, every `everyMs` from `fromMs` for `forMs`. */
function stayAway(
  liveness: Liveness,
  { id = one, pid = 7, fromMs = 0, everyMs = 5_000, forMs = 30_000 },
): void {
  for (let atMs = fromMs; atMs <= fromMs + forMs; atMs += everyMs) liveness.missed(id, pid, atMs);
}

test("a process is restarted when it has answered no call for thirty seconds", () => {
  const liveness = new Liveness();
  stayAway(liveness, { forMs: 25_000 });
  expect(liveness.mustRestart(one, 7)).toBe(false);
  liveness.missed(one, 7, 30_000);
  expect(liveness.mustRestart(one, 7)).toBe(true);
  expect(liveness.mustRestart(one, 8)).toBe(false);
});

test("one answer begins the count anew", () => {
  const liveness = new Liveness();
  stayAway(liveness, { forMs: 25_000 });
  liveness.forget(one);
  stayAway(liveness, { fromMs: 26_000, forMs: 25_000 });
  expect(liveness.mustRestart(one, 7)).toBe(false);
});

test("a Node Manager that was itself stopped does not count its own absence", () => {
  const liveness = new Liveness();
  liveness.missed(one, 7, 0);
  liveness.missed(one, 7, 3_600_000);
  expect(liveness.mustRestart(one, 7)).toBe(false);
});

test("one instance at a time is restarted, and one that stays silent gives way to the next", () => {
  const liveness = new Liveness(1_000);
  for (const id of [one, two]) stayAway(liveness, { id, everyMs: 500, forMs: 1_000 });
  expect(liveness.mustRestart(one, 7)).toBe(true);
  expect(liveness.mustRestart(two, 7)).toBe(false);
  // Twice as long as before, since the first restart did not help.
  stayAway(liveness, { pid: 8, fromMs: 2_000, everyMs: 500, forMs: 1_500 });
  expect(liveness.mustRestart(one, 8)).toBe(false);
  expect(liveness.mustRestart(two, 7)).toBe(false);
  stayAway(liveness, { pid: 8, fromMs: 3_500, everyMs: 500, forMs: 500 });
  expect(liveness.mustRestart(two, 7)).toBe(true);
  expect(liveness.mustRestart(one, 8)).toBe(false);
  liveness.forget(two);
  expect(liveness.mustRestart(one, 8)).toBe(true);
});

test("a refusal is an answer, silence is a timeout or a refused connection", () => {
  const unreachable = (code: string): DomainError =>
    new DomainError("unreachable", "x", { cause: Object.assign(new Error(code), { code }) });
  expect(isSilence(new DomainError("timeout", "x"))).toBe(true);
  expect(isSilence(unreachable("ECONNREFUSED"))).toBe(true);
  expect(isSilence(unreachable("ECONNRESET"))).toBe(false);
  expect(isSilence(new DomainError("untrusted-server", "x"))).toBe(false);
  expect(isSilence(new DomainError("denied", "x"))).toBe(false);
});
