import { afterAll, beforeAll, expect, test } from "vitest";
import { defaultPolicy } from "../../src/control/index.ts";
import { makeLasting, type Lasting } from "../support/cleanup.ts";
import {
  stepAdminClock,
  stepDatabaseClock,
  wronglyDated,
  type Step,
} from "../support/clock-faults.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FaultDomain } from "../support/fault-domain.ts";
import { phases, runFault, wrongCounts, wrongWrites, type Phase } from "../support/fault-run.ts";
import { SeededRng } from "../support/seeded-rng.ts";

const seed = Number(process.env["GATEHOUSE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
process.stdout.write(`GATEHOUSE_SEED=${seed} repeats these clock faults at the same phases\n`);
const rng = new SeededRng(seed);
const phaseOf = (): Phase => phases[rng.below(phases.length)] ?? phases[0];
const step: Step = rng.happens(0.5) ? "+1h" : "-1h";
const backdateMs = defaultPolicy.backdateSeconds * 1000;

interface Clocked {
  readonly domain: FaultDomain;
  readonly adminClock: FakeClock;
  readonly databaseClock: FakeClock;
  readonly sinceMs: number;
}

let lasting: Lasting<Clocked>;
beforeAll(async () => {
  lasting = await makeLasting(async () => {
    const sinceMs = Date.now();
    const [adminClock, databaseClock] = [await FakeClock.start(), await FakeClock.start()];
    const clocks = { "host-1": adminClock, "db-1": databaseClock, "db-2": databaseClock };
    const domain = await FaultDomain.start(rng, clocks);
    return { domain, adminClock, databaseClock, sinceMs };
  });
});
afterAll(() => lasting?.remove());

test("no certificate is dated wrongly and a rotation completes after the clock of an Admin Node Manager was off by an hour", async () => {
  const { domain, adminClock, sinceMs } = lasting.made;
  const result = await runFault(domain, stepAdminClock(adminClock, step), phaseOf());
  expect(result).toMatchObject({ status: "completed", failures: [] });
  expect(await wrongWrites(domain)).toEqual([]);
  expect(await wronglyDated(domain, { sinceMs, backdateMs })).toEqual([]);
});

// After this the database's times of commits say nothing of their order any more.
test("no certificate is dated wrongly and a rotation completes after the clock of the database was off by an hour", async () => {
  const { domain, databaseClock, sinceMs } = lasting.made;
  const result = await runFault(domain, stepDatabaseClock(databaseClock, step), phaseOf());
  expect(result).toMatchObject({ status: "completed", failures: [] });
  expect(await wronglyDated(domain, { sinceMs, backdateMs })).toEqual([]);
});

test("what clients changed and read under wrong clocks could have been answered by one copy, each change once", async () => {
  const { domain } = lasting.made;
  await domain.clients.stop();
  expect(domain.clients.record.contradictions()).toEqual([]);
  expect(await wrongCounts(domain)).toEqual([]);
  const verdict = await domain.live.call("verifyAudit", { timeoutMs: 60_000 });
  expect(verdict).toMatchObject({ ok: true });
});
