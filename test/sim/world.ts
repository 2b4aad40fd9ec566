import type {
  AuthorityId,
  HostId,
  ProcessId,
  RelyingPartyId,
  RolloutId,
} from "../../src/kit/index.ts";
import type { AuthorityUsage, Credential, Finding, Topology } from "../../src/domain/index.ts";
import {
  currentTrust,
  defaultPolicy,
  initializeDomain,
  issueCredential,
  type ControlEnvironment,
  type Store,
} from "../../src/control/index.ts";
import type { Rollout } from "../../src/planning/index.ts";
import { SettableClock } from "../support/control-environment.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { SeededRng } from "../support/seeded-rng.ts";
import { AdminProcess } from "./admin-process.ts";
import { realSigning, SymbolicSigning, type Signing } from "./authority-keys.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import { checkChain, type Shown } from "./handshake.ts";
import { emptyFolder } from "./leaf.ts";
import { Network } from "./network.ts";
import { NodeManager, type HostDisk } from "./node-manager.ts";
import { RelyingPartyProcess } from "./relying-party.ts";
import { Schedule, type Life } from "./schedule.ts";
import { withoutCrossCertificates, withoutGates } from "./store-wrappers.ts";
import type { Documents } from "./trust-state.ts";

const reloadLagMsMax = 1_000;

/** Ways to break Gatehouse on purpose: the safety checks must find each. */
export type Mutant =
  | "gates-removed"
  | "resumed-sessions"
  | "agent-answers-for-others"
  | "old-connections-live";

export interface WorldOptions {
  readonly seed: number;
  readonly signing?: "symbolic" | "real";
  /** An old CA that cannot cross-sign: then only loaded trust lets anybody in. */
  readonly crossCertificates?: boolean;
  readonly mutant?: Mutant | null;
  /** Longest time between loading trust and verifying with it. */
  readonly listenerLagMsMax?: number;
}

/** What the store says, read after every commit: the truth that observers are compared with. */
export interface Truth {
  readonly topology: Topology;
  readonly credentials: readonly Credential[];
  readonly rollouts: readonly Rollout[];
  readonly epoch: number;
  readonly deniedKeys: ReadonlySet<string>;
  /** Waivers of each subject so far. */
  readonly waivers: ReadonlyMap<string, number>;
}

/** The whole domain: the store, every host's disk, and every process that runs now. */
export class World {
  readonly clock = new SettableClock();
  readonly rng: SeededRng;
  readonly schedule: Schedule;
  readonly network: Network;
  readonly signing: Signing;
  readonly mutant: Mutant | null;
  readonly store: Store;
  readonly disks = new Map<HostId, HostDisk>();
  readonly nodes = new Map<HostId, NodeManager>();
  readonly gateways = new Map<ProcessId, GatewayProcess>();
  readonly parties = new Map<RelyingPartyId, RelyingPartyProcess>();
  /** Serials whose renewal is due before its time. */
  readonly renewalsDue = new Set<string>();
  /** What each rollout was last found to wait for. */
  readonly waitsFor = new Map<RolloutId, readonly Finding[]>();
  commits = 0;
  revision = 0;
  truth: Truth | null = null;
  readonly #options: WorldOptions;
  #admin: AdminProcess | null = null;
  readonly #handshakes = new Map<ProcessId, Set<HostId>>();
  readonly #lastReportMs = new Map<HostId, number>();
  readonly #issuers = new Map<AuthorityId, string>();

  /** A domain with its first host, before any process runs. */
  static async create(options: WorldOptions): Promise<World> {
    const rng = new SeededRng(options.seed);
    const signing = options.signing === "real" ? await realSigning(rng) : new SymbolicSigning(rng);
    const world = new World(options, rng, signing);
    await world.#initialize();
    return world;
  }

  private constructor(options: WorldOptions, rng: SeededRng, signing: Signing) {
    this.#options = options;
    this.rng = rng;
    this.signing = signing;
    this.mutant = options.mutant ?? null;
    this.schedule = new Schedule(this.clock, rng);
    this.network = new Network(this.schedule, this.clock, rng);
    let store: Store = new MemoryStore(this.clock);
    if (options.crossCertificates === false) store = withoutCrossCertificates(store);
    if (options.mutant === "gates-removed") store = withoutGates(store);
    this.store = store;
  }

  async #initialize(): Promise<void> {
    const env = this.#environment(this.#observed(null));
    const host = await initializeDomain(env, {
      domainId: "domain.example",
      domainName: "CN=Domain",
      hostName: "host one",
      address: "first.example",
      nodeManagerName: "first",
      port: 8090,
      administrator: { name: "admin", password: "secret" },
    });
    const { key, pem } = await this.signing.newRequest();
    const id = `${host.nodeManager.id}/management` as Credential["id"];
    const issued = await issueCredential(env, {
      hostId: host.id,
      credentialId: id,
      requestPem: pem,
      presentedSerial: null,
      actor: "system:initialize",
    });
    const trust = this.signing.newTrust();
    const links = await this.store.read((view) => view.trust.after(0, 1000));
    trust.accept(links.map((link) => link.envelope));
    trust.acceptHost(issued.hostDocument);
    const folder = emptyFolder();
    const leaf = this.signing.leafOf(issued, await this.issuerPem(issued.authorityId));
    folder.generations.set(issued.sequence, { ...issued, key, leaf });
    folder.current = issued.sequence;
    this.disks.set(host.id, {
      hostId: host.id,
      nodeManagerId: host.nodeManager.id,
      isAdmin: true,
      trust,
      desired: null,
      folder,
      instances: new Map(),
    });
    this.#admin = new AdminProcess(this, host);
    this.startNode(host.id);
  }

  /** The use cases' environment for one process: before each of its transactions it may crash. */
  environmentOf(life: Life): ControlEnvironment {
    return this.#environment(this.#observed(life));
  }

  #environment(store: Store): ControlEnvironment {
    const { clock, rng, signing } = this;
    return {
      store,
      clock,
      rng,
      crypto: signing.crypto,
      authorityKeys: signing.authorityKeys,
      trustKey: signing.trustKey,
      passwords: { hash: async () => "hash", matches: async () => true },
      policy: defaultPolicy,
    };
  }

  #observed(life: Life | null): Store {
    const gate = async (what: string): Promise<void> => {
      if (life !== null) await this.schedule.step(life, what);
    };
    const { store } = this;
    return {
      read: (work) => store.read(work),
      write: async (audit, work) => {
        await gate(`store ${audit.action}`);
        const value = await store.write(audit, work);
        await this.#committed(null);
        return value;
      },
      note: async (work) => {
        await gate("store note");
        const value = await store.note(work);
        await this.#committed(this.truth);
        return value;
      },
      lastKnown: () => null,
      revision: () => store.revision(),
      waitForRevision: (after, timeoutMs) => store.waitForRevision(after, timeoutMs),
      close: () => store.close(),
    };
  }

  /** `before`: what was known, if nothing but observations and recorded keys can have changed. */
  async #committed(before: Truth | null): Promise<void> {
    this.commits += 1;
    this.truth = await this.store.read(async (view) => {
      if (before !== null) return { ...before, credentials: await view.credentials.all() };
      const trust = await currentTrust(view);
      const rollouts = await view.rollouts.all(10);
      const waivers = new Map<string, number>();
      for (const { subject } of rollouts.flatMap((rollout) => rollout.waivers))
        waivers.set(subject, (waivers.get(subject) ?? 0) + 1);
      return {
        topology: await view.topology.whole(),
        credentials: await view.credentials.all(),
        rollouts,
        waivers,
        epoch: trust.epoch,
        deniedKeys: new Set(
          trust.denied.flatMap((denial) => (denial.kind === "key" ? [denial.fingerprint] : [])),
        ),
      };
    });
    if (before === null) this.revision = await this.store.revision();
  }

  get admin(): AdminProcess {
    if (this.#admin === null) throw new Error("the domain is not initialized yet");
    return this.#admin;
  }

  /** What the Node Manager of its host does for the Admin Node Manager. */
  keepAdminRunning(): void {
    if (this.admin.life.alive) return;
    const host = this.truth?.topology.hosts.find(({ id }) => id === this.admin.hostId);
    if (host !== undefined) this.#admin = new AdminProcess(this, host);
  }

  startNode(hostId: HostId): void {
    this.nodes.set(hostId, new NodeManager(this, this.diskOf(hostId)));
  }

  startGateway(gateway: GatewayProcess): void {
    this.gateways.set(gateway.id, gateway);
  }

  stopGateway(id: ProcessId): void {
    const gateway = this.gateways.get(id);
    if (gateway === undefined) return;
    this.schedule.crash(gateway.life);
    this.gateways.delete(id);
  }

  addParty(id: RelyingPartyId): void {
    this.parties.set(id, new RelyingPartyProcess(this, id));
  }

  /** Ends a process between two effects. What watches over it starts it again. */
  crash(life: Life): void {
    this.schedule.crash(life);
    for (const [id, gateway] of this.gateways) if (gateway.life === life) this.gateways.delete(id);
    for (const [hostId, node] of this.nodes) {
      if (node.life !== life) continue;
      this.nodes.delete(hostId);
      this.schedule.spawn({ name: `init of ${hostId}`, alive: true }, "restart", async () => {
        if (this.disks.has(hostId) && !this.nodes.has(hostId)) this.startNode(hostId);
      });
    }
  }

  diskOf(hostId: HostId): HostDisk {
    const disk = this.disks.get(hostId);
    if (disk === undefined) throw new Error(`${hostId} has no disk`);
    return disk;
  }

  /** A host that is gone for good. */
  removeHost(hostId: HostId): void {
    const node = this.nodes.get(hostId);
    if (node !== undefined) this.schedule.crash(node.life);
    this.nodes.delete(hostId);
    this.disks.delete(hostId);
    this.network.away.delete(hostId);
  }

  nodeManagerIds(): ProcessId[] {
    return [...this.disks.values()].map((disk) => disk.nodeManagerId);
  }

  /** Peers that a server has had a full handshake with: what a session cache would hold. */
  handshakesWith(server: ProcessId): Set<HostId> {
    const known = this.#handshakes.get(server) ?? new Set();
    this.#handshakes.set(server, known);
    return known;
  }

  accepts(documents: Documents, shown: Shown, usage: AuthorityUsage): boolean {
    return checkChain(shown, documents.trust, usage, this.clock.nowMs()).ok;
  }

  async issuerPem(id: AuthorityId): Promise<string> {
    const known = this.#issuers.get(id);
    if (known !== undefined) return known;
    const found = await this.store.read((view) => view.authorities.get(id));
    if (found === undefined) throw new Error(`there is no authority ${id}`);
    this.#issuers.set(id, found.certificatePem);
    return found.certificatePem;
  }

  /** How long a process that has loaded trust still verifies with what it had; chosen anew each time. */
  listenerLagMs(): number {
    return this.rng.below((this.#options.listenerLagMsMax ?? 400) + 1);
  }

  /** The same for an instance, whose Node Manager waits for its answer. */
  reloadLagMs(): number {
    return Math.min(this.listenerLagMs(), reloadLagMsMax);
  }

  reported(node: NodeManager): void {
    this.#lastReportMs.set(node.hostId, this.clock.nowMs());
  }

  lastReportMs(hostId: HostId): number {
    return this.#lastReportMs.get(hostId) ?? -Infinity;
  }
}
