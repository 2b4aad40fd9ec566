import fc from "fast-check";
import { expect, test } from "vitest";
import { RenewalQueue } from "./renewal-queue.ts";

const waitMsMax = 2_000;

interface Renewal {
  readonly id: number;
  readonly deadlineMs: number;
  readonly arrivesAtMs: number;
}

interface Turn {
  readonly renewal: Renewal;
  readonly atMs: number;
  /** Deadlines of those that stayed behind, waiting. */
  readonly passedOver: readonly number[];
}

interface Run {
  readonly turns: readonly Turn[];
  /** Most that waited at once, and how often one was sent away. */
  readonly waitingMost: number;
  readonly sentAway: number;
}

/** Lets everybody come, and come again when told to, until all had their turn; looks are late by `lagMs`. */
function simulate(renewals: readonly Renewal[], perSecond: number, lagMs: number): Run {
  const queue = new RenewalQueue<Renewal>({ perSecond, waitMsMax });
  const coming = renewals.map((renewal) => ({ renewal, atMs: renewal.arrivesAtMs }));
  const waiting = new Set<Renewal>();
  const turns: Turn[] = [];
  let [nowMs, waitingMost, sentAway] = [0, 0, 0];
  let lookAtMs: number | null = null;
  while (turns.length < renewals.length) {
    coming.sort((a, b) => a.atMs - b.atMs);
    const arrival = coming[0]?.atMs ?? Infinity;
    nowMs = Math.max(nowMs, Math.min(arrival, lookAtMs === null ? Infinity : lookAtMs + lagMs));
    while (coming[0] !== undefined && coming[0].atMs <= nowMs) {
      const { renewal } = coming.shift() ?? expect.unreachable();
      waiting.add(renewal);
      queue.enter(renewal, renewal.deadlineMs, nowMs);
    }
    const look = queue.look(nowMs);
    for (const renewal of look.admitted) {
      waiting.delete(renewal);
      const passedOver = [...waiting].map(({ deadlineMs }) => deadlineMs);
      turns.push({ renewal, atMs: nowMs, passedOver });
    }
    for (const { item, retryAfterMs } of look.sentAway) {
      waiting.delete(item);
      sentAway += 1;
      coming.push({ renewal: item, atMs: nowMs + retryAfterMs });
    }
    waitingMost = Math.max(waitingMost, waiting.size);
    lookAtMs = look.nextLookAtMs;
  }
  return { turns, waitingMost, sentAway };
}

const runs = fc
  .record({
    perSecond: fc.integer({ min: 1, max: 20 }),
    lagMs: fc.integer({ min: 0, max: 40 }),
    arrivals: fc.array(
      fc.record({
        deadlineMs: fc.integer({ min: 0, max: 50 }),
        arrivesAtMs: fc.integer({ min: 0, max: 5_000 }),
      }),
      { minLength: 1, maxLength: 120 },
    ),
  })
  .map(({ perSecond, lagMs, arrivals }) => {
    const renewals = arrivals.map((arrival, id) => ({ id, ...arrival }));
    return { perSecond, renewals, ...simulate(renewals, perSecond, lagMs) };
  });

test("a turn goes to the earliest deadline of those that are there", () => {
  fc.assert(
    fc.property(runs, ({ turns }) => {
      for (const { renewal, passedOver } of turns)
        expect(Math.min(...passedOver)).toBeGreaterThanOrEqual(renewal.deadlineMs);
    }),
  );
});

test("turns never exceed the rate by more than the burst of a tenth of a second", () => {
  fc.assert(
    fc.property(runs, ({ turns, perSecond }) => {
      turns.forEach(({ atMs: fromMs }, first) => {
        turns.slice(first).forEach(({ atMs }, further) => {
          const allowed = ((atMs - fromMs + 100) * perSecond) / 1000 + 1;
          expect(further + 1).toBeLessThanOrEqual(allowed + 1e-6);
        });
      });
    }),
  );
});

test("everybody who comes again as told gets a turn, once, and not much later than the rate allows", () => {
  fc.assert(
    fc.property(runs, ({ turns, renewals, perSecond }) => {
      expect(new Set(turns.map(({ renewal }) => renewal.id)).size).toBe(renewals.length);
      const neededMs = (renewals.length * 1000) / perSecond;
      const lastMs = Math.max(...renewals.map(({ arrivesAtMs }) => arrivesAtMs));
      expect(turns.at(-1)?.atMs).toBeLessThanOrEqual(lastMs + 4 * neededMs + 4 * waitMsMax);
    }),
  );
});

test("no more wait than get a turn in time, and who is sent away comes back when there is room", () => {
  fc.assert(
    fc.property(runs, ({ waitingMost, sentAway, renewals, perSecond }) => {
      expect(waitingMost).toBeLessThanOrEqual(Math.max(1, (perSecond * waitMsMax) / 1000));
      // Else those that are sent away would keep the server busier than those that are served.
      expect(sentAway).toBeLessThanOrEqual(4 * renewals.length);
    }),
  );
});

test("one that is alone gets its turn at once", () => {
  const queue = new RenewalQueue<string>({ perSecond: 0.5, waitMsMax });
  queue.enter("a", 7, 1_000);
  expect(queue.look(1_000)).toEqual({ admitted: ["a"], sentAway: [], nextLookAtMs: null });
  queue.enter("b", 7, 1_000);
  expect(queue.look(1_000)).toMatchObject({ admitted: [], nextLookAtMs: 2_900 });
});
