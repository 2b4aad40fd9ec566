import type { FakeClock } from "./fake-clock.ts";
import type { FaultDomain } from "./fault-domain.ts";
import type { Fault } from "./faults.ts";
import { waitUntil } from "./wait-until.ts";

export type Step = "+1h" | "-1h";

const deadlineMs = 40_000;

/** The clock of one host with an Admin Node Manager steps, and is set right again. */
export function stepAdminClock(clock: FakeClock, step: Step): Fault {
  return {
    name: `the clock of an Admin Node Manager's host stepped by ${step}`,
    happen: (domain) => whileStepped(domain, clock, step),
  };
}

/** The clock of both database servers steps, and is set right again. */
export function stepDatabaseClock(clock: FakeClock, step: Step): Fault {
  return {
    name: `the clock of the database stepped by ${step}`,
    happen: (domain) => whileStepped(domain, clock, step),
  };
}

/** Until every Admin Node Manager has answered ten more requests for certificates, and a change is acknowledged. */
async function whileStepped(domain: FaultDomain, clock: FakeClock, step: Step): Promise<void> {
  const before = domain.issuance.signed.length;
  const answered = (by: string): number =>
    domain.issuance.signed.slice(before).filter((signed) => signed.by === by).length;
  await clock.moveTo(step);
  try {
    for (const { id } of domain.admins)
      await waitUntil(() => answered(id) >= 10, {
        deadlineMs,
        what: `${id} answers requests`,
      }).catch((cause: unknown) => {
        const last = domain.issuance.failures.findLast(({ by }) => by === id);
        throw new Error(`${id} does not sign: ${last?.text}`, { cause });
      });
    await domain.untilWrites();
  } finally {
    await clock.moveTo("+0");
  }
}

/** Certificates whose beginning is not one backdate before the machine's time, by more than a minute. */
export async function wronglyDated(
  { primary, database }: FaultDomain,
  { sinceMs, backdateMs }: { sinceMs: number; backdateMs: number },
): Promise<unknown[]> {
  const slackMs = 60_000;
  const earliestMs = sinceMs - backdateMs - slackMs;
  const latestMs = Date.now() - backdateMs + slackMs;
  return primary.query(
    `select serial, kind, writer, not_before_ms from issuances
      where kind in ('leaf', 'probe') and not (not_before_ms between ${earliestMs} and ${latestMs})`,
    database,
  );
}
