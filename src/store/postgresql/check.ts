import { describeError } from "../../kit/index.ts";
import { collectFindings, type Finding } from "../../domain/index.ts";
import { formatServer } from "./address.ts";
import { openPrimary, type DatabaseAccess } from "./primary.ts";

const versionMin = 130_000;
/** Clocks further apart than this will sooner or later mislead somebody who compares logs. */
const clockDifferenceMsMax = 5_000;

interface Situation {
  readonly servers: number;
  readonly isEncrypted: boolean;
  readonly clockDifferenceMs: number;
  /** What the primary says of itself, by the names of its settings and of the question below. */
  readonly says: Readonly<Record<string, unknown>>;
}

const question = `select
  current_setting('server_version_num')::int as version,
  current_setting('fsync') as fsync,
  current_setting('full_page_writes') as full_page_writes,
  current_setting('synchronous_standby_names') as synchronous_standby_names,
  current_setting('archive_mode') as archive_mode,
  (select rolsuper from pg_roles where rolname = current_user) as superuser,
  (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum'))::int as synchronous,
  (select count(*) from pg_stat_replication)::int as standbys,
  (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms`;

/** What stands in the way of calling a database highly available; nothing found: nothing that can be seen. */
export async function checkDatabase(
  access: DatabaseAccess,
  nowMs: () => number,
): Promise<Finding[]> {
  const subject = access.address.servers.map(formatServer).join();
  try {
    const connection = await openPrimary(access);
    try {
      const askedMs = nowMs();
      const [says = {}] = await connection.execute(question);
      const midwayMs = (askedMs + nowMs()) / 2;
      const situation = {
        servers: access.address.servers.length,
        isEncrypted: access.address.sslMode !== "disable",
        clockDifferenceMs: Math.abs(Number(says["now_ms"]) - midwayMs),
        says,
      };
      return collectFindings(situation, checks).map((finding) => ({ ...finding, subject }));
    } finally {
      connection.close();
    }
  } catch (error) {
    const text = describeError(error);
    return [{ code: "store-unavailable", severity: "error", subject, text }];
  }
}

type Check = (situation: Situation) => Finding | undefined;

/** A check that finds something where `isSo`; the subject is filled in later. */
function check(
  code: string,
  severity: Finding["severity"],
  isSo: (situation: Situation) => boolean,
  text: string,
): Check {
  return (situation) => (isSo(situation) ? { code, severity, subject: "", text } : undefined);
}

const checks: readonly Check[] = [
  check(
    "database-old",
    "error",
    ({ says }) => Number(says["version"]) < versionMin,
    "the server is older than PostgreSQL 13: upgrade it",
  ),
  check(
    "database-not-durable",
    "error",
    ({ says }) => says["fsync"] !== "on" || says["full_page_writes"] !== "on",
    "fsync or full_page_writes is off: a power failure loses what was acknowledged, switch them on",
  ),
  check(
    "database-one-server",
    "warning",
    ({ servers }) => servers === 1,
    "the URL names one server: unless that is an address which moves by itself, nothing is issued while it is down; name all servers",
  ),
  check(
    "database-no-standby",
    "warning",
    ({ says }) => Number(says["standbys"]) === 0,
    "no standby follows the primary: its loss is the loss of the store",
  ),
  check(
    "database-asynchronous",
    "warning",
    ({ says }) => says["synchronous_standby_names"] === "" || Number(says["synchronous"]) === 0,
    "no standby is synchronous (synchronous_standby_names): a failover can lose certificates that were issued",
  ),
  check(
    "database-no-backup",
    "warning",
    ({ says }) => says["archive_mode"] === "off",
    "archive_mode is off: unless another tool makes backups, what is deleted by mistake is gone",
  ),
  check(
    "database-not-encrypted",
    "warning",
    ({ isEncrypted }) => !isEncrypted,
    "the connection is not encrypted (sslmode=disable): whoever is on the way can read and change it",
  ),
  check(
    "database-superuser",
    "warning",
    ({ says }) => says["superuser"] === true,
    "the user is a superuser: give Gatehouse a user of its own that owns this database only",
  ),
  check(
    "database-clock",
    "warning",
    ({ clockDifferenceMs }) => clockDifferenceMs > clockDifferenceMsMax,
    "the clocks of this host and of the database server differ by more than 5 s: look at time synchronisation",
  ),
];
