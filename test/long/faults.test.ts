import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLasting, type Lasting } from "../support/cleanup.ts";
import { FaultDomain } from "../support/fault-domain.ts";
import { phases, runFault, wrongCounts, wrongWrites } from "../support/fault-run.ts";
import { faults } from "../support/faults.ts";
import { SeededRng } from "../support/seeded-rng.ts";

describe.each(faults)("$name", (fault) => {
  let lasting: Lasting<FaultDomain>;
  beforeAll(async () => {
    lasting = await makeLasting(() => FaultDomain.start(new SeededRng(1)));
  });
  afterAll(() => lasting?.remove());

  test.each(phases)("in phase %s, nothing is lost and a rotation completes", async (phase) => {
    const { made: domain } = lasting;
    const result = await runFault(domain, fault, phase);
    expect(result).toMatchObject({ status: "completed", failures: [] });
    expect(await wrongWrites(domain)).toEqual([]);
  });

  test("in every phase, one copy could have answered all clients, each change once", async () => {
    const { made: domain } = lasting;
    await domain.clients.stop();
    expect(domain.clients.record.contradictions()).toEqual([]);
    expect(await wrongCounts(domain)).toEqual([]);
    const verdict = await domain.live.call("verifyAudit", { timeoutMs: 60_000 });
    expect(verdict).toMatchObject({ ok: true });
  });
});
