import { appendFileSync } from "node:fs";
import type { Envelope, TrustDocument } from "../../src/domain/index.ts";
import type { RouteBody } from "../../src/contract/index.ts";
import type { Calls, FaultDomain } from "./fault-domain.ts";
import type { Fault } from "./faults.ts";
import { longestGapSeconds } from "./lease-watch.ts";
import { staleWrites } from "./stale-writes.ts";
import { waitUntil } from "./wait-until.ts";

const rotation: RouteBody<"createPlan"> = {
  kind: "rotate-ca",
  usages: ["management", "traffic"],
  observeSeconds: 1,
  subject: null,
};

/** Each look reads the whole domain. */
const pollMs = 100;

/** Phases of a rotation that last long enough to be met. */
export const phases = ["introduce", "reissue", "observe", "retire"] as const;
export type Phase = (typeof phases)[number];
const allPhases = ["prepare", "introduce", "issue", "reissue", "observe", "retire"];

/** What a fault cost; seconds. */
export interface FaultFigures {
  readonly fault: string;
  readonly phase: string;
  /** The longest time in which the lease was not renewed by anybody; without a fault it is renewed every second. */
  readonly withoutLeader: number;
  /** The longest time in which nobody signed; without a fault the next certificate is asked for 0.15 s after the last. */
  readonly withoutIssuance: number;
  /** From the fault to the end of the rotation, with every host heard of. */
  readonly untilHealed: number;
  readonly requests: number;
  readonly failedRequests: number;
}

/** Failed calls of callers that were on the gateway's side of every cut. */
export interface FaultResult {
  readonly figures: FaultFigures;
  readonly status: string;
  readonly failures: readonly string[];
}

/** Lets `fault` happen in `phase` of a CA rotation under load, and waits until all is healed. */
export async function runFault(
  domain: FaultDomain,
  fault: Fault,
  phase: Phase,
): Promise<FaultResult> {
  const { live } = domain;
  const id = await live.roll(rotation);
  const before = await totals(domain);
  let begunMs: number | null = null;
  const cut = { fromMs: 0, untilMs: 0 };
  const view = await live.follow(
    id,
    async (seen) => {
      if (begunMs !== null || allPhases.indexOf(seen) < allPhases.indexOf(phase)) return;
      begunMs = performance.now();
      cut.fromMs = Date.now();
      await fault.happen(domain);
      cut.untilMs = Date.now();
    },
    150_000,
    pollMs,
  );
  if (begunMs === null) throw new Error(`the rotation had no phase ${phase} or later`);
  await untilHealed(domain);
  const endMs = performance.now();
  const isOutside = ({ from, to }: Calls): boolean => to === fault.cutsOff && from !== to;
  const after = await totals(domain);
  const failures = after.flatMap(({ calls, failures: all }, i) =>
    all.slice(before[i]?.failures.length ?? 0).flatMap(({ atMs, text }) => {
      const isExpected =
        isOutside(calls) && atMs >= cut.fromMs && atMs <= cut.untilMs + outsideGraceMs;
      return isExpected
        ? []
        : [`${calls.from} at ${calls.to}, ${atMs - cut.fromMs} ms after the fault: ${text}`];
    }),
  );
  const requests = (of: typeof after): number => of.reduce((sum, one) => sum + one.requests, 0);
  const figures = {
    fault: fault.name,
    phase,
    withoutLeader: rounded(longestGapSeconds(domain.lease.changes, begunMs)),
    withoutIssuance: rounded(longestGapSeconds(domain.issuance.signed, begunMs)),
    untilHealed: rounded((endMs - begunMs) / 1000),
    requests: requests(after) - requests(before),
    failedRequests: failures.length,
  };
  keep(figures);
  return { figures, status: view.rollout.status, failures };
}

/** A call that was on its way when the cut ended fails when it has waited for its time. */
const outsideGraceMs = 12_000;

function rounded(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}

/** For people, and as a line of JSON for `npm run bench -- faults`. */
function keep(figures: FaultFigures): void {
  process.stdout.write(`figures ${JSON.stringify(figures)}\n`);
  const file = process.env["GATEHOUSE_FAULT_FIGURES"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(figures)}\n`);
}

interface Total {
  readonly calls: Calls;
  readonly requests: number;
  readonly failures: readonly { readonly atMs: number; readonly text: string }[];
}

async function totals(domain: FaultDomain): Promise<Total[]> {
  return Promise.all(
    domain.calls.map(async (calls) => {
      const report = await calls.load.report();
      const { address, port } = calls.target;
      const found = report.find(({ target }) => target.address === address && target.port === port);
      const { requests = 0, failures = [] } = found?.result ?? {};
      return { calls, requests, failures };
    }),
  );
}

const brokenStates: ReadonlySet<string> = new Set([
  "host-silent",
  "instance-failed",
  "audit-broken",
  "identity-in-use",
  "renewal-failing",
  "clock-off",
]);

/** Every host is heard of, every instance runs, nothing is broken, and the database has its standby. */
async function untilHealed({ live, primary }: FaultDomain): Promise<void> {
  let left: string[] = [];
  await waitUntil(
    async () => {
      const { findings } = await live.call("listFindings");
      const { hosts } = await live.call("getTopology");
      const standbys = await primary.query(
        "select 1 from pg_stat_replication where sync_state = 'sync'",
        "postgres",
      );
      left = [
        ...findings.filter(({ code }) => brokenStates.has(code)).map(({ text }) => text),
        ...hosts.filter(({ connected }) => !connected).map(({ name }) => `${name} is away`),
        ...(standbys.length === 1 ? [] : ["the database has no synchronous standby"]),
      ];
      return left.length === 0;
    },
    { deadlineMs: 60_000, pollMs, what: "all is healed" },
  ).catch((cause: unknown) => {
    throw new Error(`not healed: ${left.join("; ")}`, { cause });
  });
}

/** What has to hold after any fault: nothing is wrong with the logs, and no leader wrote too late. */
export async function wrongWrites(domain: FaultDomain): Promise<unknown[]> {
  const { primary, database } = domain;
  const repeatedSerials = await primary.query(
    "select serial, count(*) from issuances group by serial having count(*) > 1",
    database,
  );
  const gaps = await primary.query(
    `select writer, count(*), max(position) from issuances group by writer
     having count(*) <> max(position)`,
    database,
  );
  return [...repeatedSerials, ...gaps, ...(await staleWrites(domain))];
}

/** Acknowledged changes that are not in the audit log as often as they may be, or not in force. */
export async function wrongCounts({ primary, database, clients }: FaultDomain): Promise<string[]> {
  const { counts, revoked } = clients.record;
  const found: string[] = [];
  const logged = await primary.query(
    "select action, count(*)::int as records from audit_records group by action",
    database,
  );
  for (const [action, { acknowledged, tried }] of counts) {
    const records = Number(logged.find((row) => row["action"] === action)?.["records"] ?? 0);
    // Others make tokens and instances too.
    const isTooMany = action === "group.configure" && records > tried;
    if (records < acknowledged || isTooMany)
      found.push(`${action}: ${records} records, ${acknowledged} of ${tried} acknowledged`);
  }
  const repeated = await primary.query(
    `select subject from audit_records where action = 'instance.create' and subject ~ '^client-'
      group by subject having count(*) > 1`,
    database,
  );
  found.push(...repeated.map((row) => `${String(row["subject"])} was created twice`));
  return [...found, ...(await notDenied({ primary, database }, revoked))];
}

/** Revoked certificates that the newest trust document does not deny. */
async function notDenied(
  { primary, database }: Pick<FaultDomain, "primary" | "database">,
  serials: readonly string[],
): Promise<string[]> {
  const [newest] = await primary.query(
    "select envelope from trust_links order by epoch desc limit 1",
    database,
  );
  const { payload } = JSON.parse(String(newest?.["envelope"])) as Envelope;
  const { denied } = JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as TrustDocument;
  const fingerprints = new Set(denied.map(({ fingerprint }) => fingerprint));
  const issued = await primary.query("select serial, fingerprint from issuances", database);
  return issued
    .filter((row) => serials.includes(String(row["serial"])))
    .filter((row) => !fingerprints.has(String(row["fingerprint"])))
    .map((row) => `${String(row["serial"])} was revoked, and is not denied`);
}
