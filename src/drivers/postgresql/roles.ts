import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { WantedRole } from "../../domain/index.ts";
import { DomainError } from "../../kit/index.ts";
import type { MemberAt, PeerMember } from "../driver-code.ts";
import { peerOf } from "../peer.ts";
import { conninfoOf, literal, serverAt, type PostgresServer } from "./server.ts";
import { copyFrom, followAtStart, owesRewind, rewind } from "./standby.ts";

interface Situation {
  readonly member: MemberAt;
  readonly peer: PeerMember;
  readonly server: PostgresServer;
  readonly by: WantedRole["by"];
}

/** One step of a member towards its role: see `DriverCode.takeRole`. */
export async function takeRole(member: MemberAt, { role, by }: WantedRole): Promise<void> {
  const server = serverAt(member);
  const situation = { member, peer: peerOf(member), server, by };
  const state = await server.state();
  if (state === "empty") await begin(situation, role);
  else if (state === "stopped") await (role === "standby" ? standByStopped(situation) : undefined);
  else await (role === "standby" ? standBy(situation) : beActive(situation));
}

async function begin({ member, peer, server }: Situation, role: WantedRole["role"]): Promise<void> {
  if (role === "active")
    throw new DomainError(
      "not-found",
      `${server.data} holds no database cluster: create it with initdb, or let the member be active that has one`,
    );
  await copyFrom(server, member, peer);
  await startUnlessSupervised(member, server);
}

/** A Node Manager that supervises it starts it next. */
async function startUnlessSupervised(member: MemberAt, server: PostgresServer): Promise<void> {
  if (member.restart === undefined) await server.start();
}

async function standByStopped(situation: Situation): Promise<void> {
  const { member, server } = situation;
  if (!(await server.wasActive()) && !owesRewind(server)) return;
  await prepareStandby(situation);
  await startUnlessSupervised(member, server);
}

async function prepareStandby({ member, peer, server, by }: Situation): Promise<void> {
  // First of all, so that whoever starts it meanwhile starts no second active one.
  await server.markAsStandby();
  // What it wrote since its last standby had all of it is to be in nobody's way.
  if (by === "promotion") await rewind(server, member, peer);
  await server.markAsStandby();
  await followAtStart(server, member, peer);
}

async function standBy(situation: Situation): Promise<void> {
  const { member, peer, server, by } = situation;
  const [inRecovery, conninfo, standbys] = await server.query(
    `select pg_is_in_recovery(), current_setting('primary_conninfo'),
      (select count(*) from pg_stat_replication where state = 'streaming')`,
  );
  if (inRecovery === "t" && !owesRewind(server)) {
    const wanted = conninfoOf(member, peer);
    if (conninfo === wanted) return;
    return alterSystem(server, `set primary_conninfo = ${literal(wanted)}`);
  }
  if (inRecovery === "f" && by === "hand-over" && Number(standbys) === 0)
    throw new DomainError(
      "conflict",
      `${member.name} has data that ${peer.name} does not follow: make ${peer.name} its standby first, or promote ${peer.name}, which gives up what only ${member.name} has`,
    );
  await server.markAsStandby();
  await server.stop();
  await prepareStandby(situation);
  await server.start();
}

async function beActive(situation: Situation): Promise<void> {
  const { member, peer, server, by } = situation;
  const [inRecovery] = await server.query("select pg_is_in_recovery()");
  if (inRecovery === "f") {
    // Of a hand-over that was called off.
    await rm(join(server.data, "standby.signal"), { force: true });
    return waitForStandbyAgain(server);
  }
  if (by === "hand-over" && !(await hasEverythingOf(server, conninfoOf(member, peer)))) return;
  // Commits would wait for a standby that may never be back.
  if (by === "promotion") await alterSystem(server, "set synchronous_standby_names = ''");
  await server.query("select pg_promote(true, 60)");
  // pg_rewind of the other one reads from the control file whose history is the newer one.
  await server.query("checkpoint");
}

/**
 * Whether the other member has given up, and this one has all that it wrote. It is a standby from
 * its stop on, so it cannot write anything after that.
 */
async function hasEverythingOf(server: PostgresServer, peer: string): Promise<boolean> {
  const [inRecovery, end = ""] = await server.query(
    "select pg_is_in_recovery(), pg_last_wal_replay_lsn()",
    `${peer} dbname=postgres`,
  );
  if (inRecovery !== "t" || end === "") return false;
  const [isThere] = await server.query(
    `select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) >= ${literal(end)}::pg_lsn`,
  );
  return isThere === "t";
}

/** After a promotion, as soon as there is a standby: what its configuration says of waiting holds again. */
async function waitForStandbyAgain(server: PostgresServer): Promise<void> {
  const [isSuspended] = await server.query(
    `select exists (select from pg_file_settings where name = 'synchronous_standby_names'
        and setting = '' and sourcefile like '%postgresql.auto.conf')
      and exists (select from pg_stat_replication where state = 'streaming')`,
  );
  if (isSuspended === "t") await alterSystem(server, "reset synchronous_standby_names");
}

/** A change of the configuration that takes effect now. */
async function alterSystem(server: PostgresServer, change: string): Promise<void> {
  await server.query(`alter system ${change}`);
  await server.query("select pg_reload_conf()");
}
