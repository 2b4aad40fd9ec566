import { existsSync } from "node:fs";
import { symlink } from "node:fs/promises";
import { homeLayout } from "../../src/domain/index.ts";
import type { HostId, ProcessId } from "../../src/kit/index.ts";
import type { ServerAddress } from "../../src/transport/index.ts";
import { HistoryClients } from "../history/clients.ts";
import { onEnd } from "./cleanup.ts";
import type { FakeClock } from "./fake-clock.ts";
import { upstreamPort } from "./gateway-load.ts";
import { HostLoad } from "./host-load.ts";
import { IssuanceWatch } from "./issuance-watch.ts";
import { LeaseWatch } from "./lease-watch.ts";
import { LiveDomain, type HostPlace } from "./live-domain.ts";
import { TestNetwork, type NetworkHost } from "./network.ts";
import { PostgresServer, type ServerPlace } from "./postgresql.ts";
import type { SeededRng } from "./seeded-rng.ts";
import { moveStoreTo } from "./shared-store.ts";
import { mountDisk, unmountDisk } from "./small-disk.ts";
import { tempFolder } from "./temp-folder.ts";
import { watchClaims } from "./stale-writes.ts";
import { waitUntil } from "./wait-until.ts";

const databaseSettings = {
  // The order of commits tells whether a leader wrote after it had been replaced.
  track_commit_timestamp: "on",
  min_wal_size: "8MB",
  max_wal_size: "48MB",
  wal_keep_size: "16MB",
};
const databaseDiskMegabytes = 256;
const homeDiskMegabytes = 64;

const clientsCount = 3;
const registersCount = 3;

/** A host with an Admin Node Manager that holds the keys of the CAs. */
export interface AdminHost {
  readonly host: string;
  readonly id: ProcessId;
  readonly server: ServerAddress;
}

/** By name of the host. */
export type HostClocks = Readonly<Record<string, FakeClock>>;

/** Calls of one gateway from one host. */
export interface Calls {
  readonly from: string;
  readonly to: string;
  readonly load: HostLoad;
  readonly target: ServerAddress;
}

/**
 * A domain whose hosts are in network namespaces of their own: Admin Node Managers on host-1 and
 * host-2, gateways on host-2 and host-3 (`inside` each a process that calls them), a client, and
 * the store in PostgreSQL on db-1 with a synchronous standby on db-2. The home of host-2 and the
 * databases have small disks of their own.
 */
export class FaultDomain {
  readonly network: TestNetwork;
  readonly live: LiveDomain;
  readonly admins: readonly AdminHost[];
  readonly database: string;
  readonly calls: readonly Calls[];
  readonly issuance: IssuanceWatch;
  readonly lease: LeaseWatch;
  readonly clients: HistoryClients;
  /** On a disk of its own. */
  readonly smallHome: string;
  primary: PostgresServer;
  standby: PostgresServer;

  private constructor(of: {
    network: TestNetwork;
    live: LiveDomain;
    admins: readonly AdminHost[];
    database: string;
    calls: readonly Calls[];
    issuance: IssuanceWatch;
    clients: HistoryClients;
    servers: readonly [PostgresServer, PostgresServer];
    smallHome: string;
  }) {
    this.network = of.network;
    this.live = of.live;
    this.admins = of.admins;
    this.database = of.database;
    this.calls = of.calls;
    this.issuance = of.issuance;
    this.smallHome = of.smallHome;
    this.clients = of.clients;
    [this.primary, this.standby] = of.servers;
    this.lease = LeaseWatch.start(() => this.primary, of.database);
  }

  /**
   * Lives until the test ends, or until what was made with it is removed. `clocks`: of hosts whose
   * processes do not go by the machine's.
   */
  static async start(rng: SeededRng, clocks: HostClocks = {}): Promise<FaultDomain> {
    const network = await TestNetwork.create();
    for (const name of ["host-1", "host-2", "host-3", "client", "db-1", "db-2"])
      await network.addHost(name);
    const placeOf = (name: string): HostPlace & NetworkHost =>
      withClock(network.host(name), clocks[name]);
    const servers = await startDatabase(network.subnet, placeOf);
    const smallHome = await tempFolder();
    await mountDisk(smallHome, homeDiskMegabytes);
    onEnd(() => unmountDisk(smallHome));
    const live = await LiveDomain.start(1, {}, placeOf);
    const login = await moveStoreTo(live, servers);
    await symlink(smallHome, live.home("host-2"));
    const first = live.admin;
    const port = await live.join("host-2", login);
    const second = { address: network.host("host-2").address, port };
    await shareKeys(live);
    await live.join("host-3");
    const admins = [
      { host: "host-1", id: "nodemanager-1" as ProcessId, server: first },
      { host: "host-2", id: "nodemanager-2" as ProcessId, server: second },
    ];
    live.useAdmins([first, second]);
    const calls = await startCalls(network, live);
    const issuance = await IssuanceWatch.start(
      live.home("host-3"),
      admins.map(({ id }) => id),
    );
    const database = await databaseOf(servers[0]);
    await watchClaims(servers[0], database);
    const clients = await startClients(live, issuance, rng);
    return new FaultDomain({
      network,
      live,
      admins,
      database,
      calls,
      issuance,
      clients,
      servers,
      smallHome,
    });
  }

  /** The Admin Node Manager that holds the lease, as the database says at this moment. */
  async leader(): Promise<AdminHost> {
    const rows = await this.primary.query("select holder from leases", this.database);
    const found = this.admins.find(({ id }) => id === rows[0]?.["holder"]);
    if (found === undefined) throw new Error("nobody leads");
    return found;
  }

  another(than: AdminHost): AdminHost {
    const found = this.admins.find(({ id }) => id !== than.id);
    if (found === undefined) throw new Error("there is one Admin Node Manager");
    return found;
  }

  async untilLeads(admin: AdminHost): Promise<void> {
    await waitUntil(() => this.lease.holder === admin.id, {
      deadlineMs: 40_000,
      what: `${admin.id} leads`,
    });
  }

  /** Until a change is acknowledged, by whichever Admin Node Manager. */
  async untilWrites(): Promise<void> {
    const body = { hostName: null, lifetimeSeconds: 60 };
    await waitUntil(() => this.live.call("createJoinToken", { body }), {
      deadlineMs: 40_000,
      what: "a change is acknowledged",
    });
  }

  /** The process of an Admin Node Manager. */
  async pidOf({ host }: AdminHost): Promise<number> {
    const mark = await this.live.processOf(host, "run/admin.json");
    if (mark === null) throw new Error(`no Admin Node Manager runs on ${host}`);
    return mark.pid;
  }
}

function withClock(host: NetworkHost, clock: FakeClock | undefined): HostPlace & NetworkHost {
  return clock === undefined ? host : { ...host, environment: clock.environment };
}

async function startDatabase(
  subnet: string,
  placeOf: (name: string) => NetworkHost,
): Promise<readonly [PostgresServer, PostgresServer]> {
  const serverAt = (name: string): ServerPlace => ({
    ...placeOf(name),
    subnet,
    diskMegabytes: databaseDiskMegabytes,
  });
  const primary = await PostgresServer.create(databaseSettings, serverAt("db-1"));
  onEnd(() => primary.remove());
  const standby = await primary.createSynchronousStandby(serverAt("db-2"));
  onEnd(() => standby.remove());
  return [primary, standby];
}

async function shareKeys(live: LiveDomain): Promise<void> {
  const { authorities } = await live.call("shareKeys", { params: { id: "host-2" as HostId } });
  const { authorityKey } = homeLayout(live.home("host-2"));
  await waitUntil(() => authorities.every((id) => existsSync(authorityKey(id))), {
    deadlineMs: 20_000,
    what: "host-2 has the keys",
  });
}

/** Gateways on host-2 and host-3, each called from its own host and from the client's. */
async function startCalls(network: TestNetwork, live: LiveDomain): Promise<Calls[]> {
  live.upstream = `http://127.0.0.1:${upstreamPort}`;
  const loads = new Map<string, HostLoad>();
  for (const host of ["host-2", "host-3", "client"])
    loads.set(host, await HostLoad.start(network.host(host)));
  const targets = new Map<string, ServerAddress>();
  for (const host of ["host-2", "host-3"]) {
    const { port } = await live.addInstance(host);
    targets.set(host, { address: network.host(host).address, port });
  }
  const calls: Calls[] = [];
  for (const [from, load] of loads) {
    const own = [...targets].filter(([to]) => from === to || from === "client");
    const { token } = await live.call("createRelyingParty", { body: { name: `load-${from}` } });
    load.call({
      server: live.admin,
      trust: live.trust,
      token,
      dnsName: "service.test",
      targets: own.map(([, target]) => target),
      pauseMs: { kept: 40, fresh: 200 },
    });
    calls.push(...own.map(([to, target]) => ({ from, to, load, target })));
  }
  return calls;
}

/** Clients that change what serves nobody: groups without instances, instances that do not run. */
async function startClients(
  live: LiveDomain,
  { signed }: IssuanceWatch,
  rng: SeededRng,
): Promise<HistoryClients> {
  const hostId = "host-3" as HostId;
  const registers = [];
  for (let i = 1; i <= registersCount; i++) {
    const body = { name: "first", group: `register-${i}`, hostId };
    const { id, groupId, groupName } = await live.call("createInstance", { body });
    await live.call("deleteInstance", { params: { id } });
    registers.push({ id: groupId, name: groupName });
  }
  return HistoryClients.start(clientsCount, {
    admins: live.admins,
    trust: live.trust,
    token: live.token,
    registers,
    hostId,
    spareSerial: () => signed.at(-1)?.serial,
    rng,
  });
}

async function databaseOf(server: PostgresServer): Promise<string> {
  const rows = await server.query(
    "select datname from pg_database where datname ~ '^db_'",
    "postgres",
  );
  return String(rows[0]?.["datname"]);
}
