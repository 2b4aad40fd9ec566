import { afterAll, beforeAll, expect, test } from "vitest";
import { anchorsOf } from "../../src/control/index.ts";
import { makeLasting, type Lasting } from "../support/cleanup.ts";
import { FaultDomain } from "../support/fault-domain.ts";
import { phases, runFault, wrongCounts, wrongWrites } from "../support/fault-run.ts";
import { faults } from "../support/faults.ts";
import { SeededRng } from "../support/seeded-rng.ts";

const seed = Number(process.env["GATEHOUSE_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
process.stdout.write(`GATEHOUSE_SEED=${seed} repeats these faults at the same phases\n`);
const rng = new SeededRng(seed);
const planned = faults.map((fault) => ({
  ...fault,
  phase: phases[rng.below(phases.length)] ?? phases[0],
}));

let lasting: Lasting<FaultDomain>;
beforeAll(async () => {
  lasting = await makeLasting(() => FaultDomain.start(rng));
});
afterAll(() => lasting?.remove());

test.each(planned)(
  "nothing is lost and a rotation completes after $name in phase $phase",
  async (fault) => {
    const { made: domain } = lasting;
    const result = await runFault(domain, fault, fault.phase);
    expect(result).toMatchObject({ status: "completed", failures: [] });
    expect(await wrongWrites(domain)).toEqual([]);
  },
);

test("every certificate that was answered is in the log, once, and every writer's log has no gap", async () => {
  const { made: domain } = lasting;
  await domain.issuance.stop();
  const rows = await domain.primary.query("select serial from issuances", domain.database);
  const logged = new Set(rows.map((row) => row["serial"]));
  expect(logged.size).toBe(rows.length);
  expect(domain.issuance.signed.filter(({ serial }) => !logged.has(serial))).toEqual([]);
});

test("what clients changed and read under the faults could have been answered by one copy, each change once", async () => {
  const { made: domain } = lasting;
  await domain.clients.stop();
  const { record } = domain.clients;
  process.stdout.write(`history ${JSON.stringify(record.size)}\n`);
  expect(record.contradictions()).toEqual([]);
  expect(record.size.reads).toBeGreaterThan(100);
  expect(await wrongCounts(domain)).toEqual([]);
});

test("the leaders have anchored the logs of both Admin Node Managers, and all of it verifies", async () => {
  const { made: domain } = lasting;
  const rows = await domain.primary.query(
    "select detail from audit_records where action = 'audit.anchor'",
    domain.database,
  );
  const anchored = new Set(
    rows.flatMap((row) =>
      anchorsOf(JSON.parse(String(row["detail"])) as Readonly<Record<string, unknown>>).map(
        ({ writer }) => writer,
      ),
    ),
  );
  expect(anchored).toEqual(new Set(domain.admins.map(({ id }) => id)));
  // Thousands of links: it takes its time.
  const verdict = await domain.live.call("verifyAudit", { timeoutMs: 60_000 });
  expect(verdict).toMatchObject({ ok: true });
});
