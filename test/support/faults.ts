import type { FaultDomain } from "./fault-domain.ts";
import { fillDisk, freeDisk } from "./small-disk.ts";
import { waitUntil } from "./wait-until.ts";

/** Something that goes wrong, and its end: whoever makes it resolves when its cause is gone. */
export interface Fault {
  readonly name: string;
  readonly happen: (domain: FaultDomain) => Promise<void>;
  /** A host that nobody outside reaches meanwhile. */
  readonly cutsOff?: string;
}

const deadlineMs = 40_000;

export const faults: readonly Fault[] = [
  { name: "kill -9 of the leader", happen: killLeader },
  { name: "kill -9 of another Admin Node Manager", happen: killAnother },
  { name: "the leader stopped past its lease", happen: stopLeader },
  { name: "the leader stopped inside a transaction", happen: stopLeaderInTransaction },
  { name: "the leader cut from the store", happen: cutLeaderFromStore },
  { name: "the leader cut from the agents", happen: cutLeaderFromAgents },
  { name: "a host cut off", happen: cutHost, cutsOff: "host-3" },
  { name: "the database's primary killed, replaced and revived", happen: replacePrimary },
  { name: "the database's disk full", happen: fillDatabaseDisk },
  { name: "the disk of an Admin Node Manager full", happen: fillHomeDisk },
];

async function killLeader(domain: FaultDomain): Promise<void> {
  const { host } = await domain.leader();
  await domain.live.kill(host, "run/admin.json");
}

async function killAnother(domain: FaultDomain): Promise<void> {
  const { host } = domain.another(await domain.leader());
  await domain.live.kill(host, "run/admin.json");
}

async function stopLeader(domain: FaultDomain): Promise<void> {
  const leader = await domain.leader();
  const pid = await domain.pidOf(leader);
  process.kill(pid, "SIGSTOP");
  try {
    await domain.untilLeads(domain.another(leader));
    await domain.untilWrites();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/**
 * Provably inside: a lock on the lease lets the leader's transaction begin and wait; it is stopped
 * there, and the database says that the transaction goes on being open when the lock is gone.
 */
async function stopLeaderInTransaction(domain: FaultDomain): Promise<void> {
  const leader = await domain.leader();
  const pid = await domain.pidOf(leader);
  const session = await domain.primary.connect(domain.database);
  const own = `client_addr = '${leader.server.address}' and application_name = 'gatehouse'`;
  const isSeen = (state: string, what: string): Promise<unknown> =>
    waitUntil(
      async () => {
        const sql = `select pid from pg_stat_activity where ${own} and ${state}`;
        return (await domain.primary.query(sql, "postgres")).length > 0;
      },
      { deadlineMs: 3_500, what },
    );
  try {
    await session.query("begin; select 1 from leases for update");
    await isSeen("wait_event_type = 'Lock'", "the leader waits inside a transaction");
    process.kill(pid, "SIGSTOP");
    await session.query("rollback");
    await isSeen("state = 'idle in transaction'", "the leader is stopped inside a transaction");
    await domain.untilLeads(domain.another(leader));
    await domain.untilWrites();
  } finally {
    process.kill(pid, "SIGCONT");
    await session.end();
  }
}

async function cutLeaderFromStore(domain: FaultDomain): Promise<void> {
  const leader = await domain.leader();
  await domain.network.cut([leader.host], ["db-1", "db-2"]);
  await domain.untilLeads(domain.another(leader));
  await domain.untilWrites();
  await domain.network.heal();
}

/** The other Admin Node Manager is beside an agent, and hears of all of them. */
async function cutLeaderFromAgents(domain: FaultDomain): Promise<void> {
  const leader = await domain.leader();
  const other = domain.another(leader);
  await domain.network.cut([leader.host], ["host-3", other.host]);
  await untilReports(domain, "host-3", other.id);
  await domain.untilWrites();
  await domain.network.heal();
}

/** Until a host has told this Admin Node Manager of itself, from now on. */
async function untilReports(domain: FaultDomain, host: string, to: string): Promise<void> {
  const sinceMs = Date.now();
  await waitUntil(
    async () => {
      const rows = await domain.primary.query(
        `select document from host_observations where id = '${host}'`,
        domain.database,
      );
      const seen = JSON.parse(String(rows[0]?.["document"])) as {
        receivedBy?: string;
        receivedAtMs: number;
      };
      return seen.receivedBy?.startsWith(to) === true && seen.receivedAtMs > sinceMs;
    },
    { deadlineMs, what: `${host} reports to ${to}` },
  );
}

async function cutHost(domain: FaultDomain): Promise<void> {
  await domain.network.isolate("host-3");
  const inside = domain.calls.find(({ from }) => from === "host-3");
  const requests = async (): Promise<number> =>
    (await inside?.load.report())?.[0]?.result.requests ?? 0;
  const before = await requests();
  await waitUntil(async () => (await requests()) > before + 40, {
    deadlineMs,
    what: "40 requests more on the host that is cut off",
  });
  await domain.untilWrites();
  await domain.network.heal();
}

async function replacePrimary(domain: FaultDomain): Promise<void> {
  const [old, promoted] = [domain.primary, domain.standby];
  await old.stop("SIGQUIT");
  await promoted.promote();
  [domain.primary, domain.standby] = [promoted, old];
  await domain.untilWrites();
  // It takes writes as before, and nobody may give it any.
  await old.start();
  await domain.untilWrites();
  await old.becomeSynchronousStandbyOf(promoted);
  await domain.untilWrites();
}

/** With no room for its log the server ends, maybe more than once; what starts it again is not ours: here the test. */
async function fillDatabaseDisk(domain: FaultDomain): Promise<void> {
  const { primary } = domain;
  await fillDisk(primary.folder);
  const takesWrites = (): Promise<boolean> =>
    primary.query("select pg_switch_wal()", domain.database).then(
      () => true,
      () => false,
    );
  try {
    await waitUntil(async () => !(await takesWrites()), {
      deadlineMs,
      what: "the database has no room left",
    });
  } finally {
    await freeDisk(primary.folder);
  }
  await waitUntil(
    async () => {
      if (!primary.isRunning) await primary.start();
      return takesWrites();
    },
    { deadlineMs, what: "the database is back" },
  );
  await domain.untilWrites();
}

async function fillHomeDisk(domain: FaultDomain): Promise<void> {
  const admin = domain.admins.find(({ host }) => host === "host-2");
  await fillDisk(domain.smallHome);
  const before = domain.issuance.signed.length;
  const signed = (): number =>
    domain.issuance.signed.slice(before).filter(({ by }) => by === admin?.id).length;
  try {
    await waitUntil(() => signed() > 20, {
      deadlineMs,
      what: "20 certificates of the Admin Node Manager without room",
    });
  } finally {
    await freeDisk(domain.smallHome);
  }
  await domain.untilWrites();
}
