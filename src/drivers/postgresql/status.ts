import type { MemberStatus } from "../../domain/index.ts";
import type { PostgresServer } from "./server.ts";

/** A standby is as far as the active one if this much at most is on its way to its disk. */
const lagBytesMax = 1_048_576;

const question = `select pg_is_in_recovery(),
  (select count(*) from pg_stat_replication),
  (select count(*) from pg_stat_replication where state = 'streaming' and flush_lsn >=
    (case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end) - ${lagBytesMax}::numeric),
  (select count(*) from pg_stat_wal_receiver where status = 'streaming'),
  (select sum(xact_commit) from pg_stat_database),
  (select sum(xact_rollback) from pg_stat_database)`;

/** What a server says of itself. */
export async function statusOf(server: PostgresServer, hasPeers: boolean): Promise<MemberStatus> {
  const [inRecovery, ...counts] = await server.query(question);
  const [standbys = 0, current = 0, receiving = 0, operations = 0, failures = 0] =
    counts.map(Number);
  const isActive = inRecovery === "f";
  const connected = isActive ? current : receiving;
  return {
    role: isActive ? "active" : "standby",
    members: 1 + (isActive ? standbys : 1),
    connected,
    synchronised: hasPeers || !isActive ? connected > 0 : null,
    operations,
    failures,
  };
}
