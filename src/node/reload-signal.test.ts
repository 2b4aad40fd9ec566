import { expect, test } from "vitest";
import { ReloadSignal } from "./reload-signal.ts";

/** The moments at which a signal is sent, asked once a second. */
function sentWithin(signal: ReloadSignal, fromMs: number, toMs: number): number[] {
  const sent = [];
  for (let atMs = fromMs; atMs < toMs; atMs += 1_000) if (signal.isDue(atMs)) sent.push(atMs);
  return sent;
}

test("a signal is sent at once, and then after pauses that double", () => {
  expect(sentWithin(new ReloadSignal(), 0, 35_000)).toEqual([0, 2_000, 6_000, 14_000, 30_000]);
});

test("a change of files makes a signal due again, though not two within a second", () => {
  const signal = new ReloadSignal();
  sentWithin(signal, 0, 20_000);
  signal.filesChanged();
  expect(sentWithin(signal, 20_000, 21_000)).toEqual([20_000]);
  signal.filesChanged();
  expect(signal.isDue(20_500)).toBe(false);
  expect(signal.isDue(21_000)).toBe(true);
});
