import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { answerAdmin, type Administered, type RestartRequest } from "./admin-requests.ts";
import { listenForAdmins } from "./admin-endpoint.ts";
import { builtInCertificate, builtInKey } from "./built-in-credentials.ts";
import { changeConfiguration } from "./change-configuration.ts";
import { Cluster } from "./cluster.ts";
import { withDefaults, type ObjectName } from "./configuration-objects.ts";
import {
  readMemberCredentials,
  type CredentialKind,
  type MemberCredentials,
} from "./credential-files.ts";
import { HighAvailability, noPair, type PairFailure, type PairView } from "./high-availability.ts";
import type { LinkName } from "./pair-links.ts";
import { ScaledTime, Timers } from "./scaled-time.ts";
import { newStore, ServerFolder } from "./server-folder.ts";
import {
  clusterMonitor,
  clusterStatus,
  highAvailabilityStatus,
  serverStatus,
  type ServerState,
} from "./status.ts";

export interface AmlenServerOptions {
  /** Made if it is not there; a new object with the same folder is the same server. */
  readonly folder: string;
  /** The host's own addresses; the first is that of the admin endpoint. */
  readonly addresses: readonly [string, ...string[]];
  /** How many times faster than real its time is. */
  readonly speed: number;
  readonly name?: string;
  readonly adminPort?: number;
  /** Of the user "admin"; without one nobody is asked, as after a fresh installation. */
  readonly adminPassword?: string;
  /** PEM: the CAs of its system, which connecting sides trust too. */
  readonly systemCertificates?: readonly string[];
  /** /bin/sh is dash: the standby cannot copy the certificates. */
  readonly certificateSyncFails?: boolean;
  /** The messaging port speaks no TLS whatever MessagingUseTLS says, and status does not tell. */
  readonly messagingPortWithoutTls?: boolean;
}

/** Seconds for which a server that was told to stop still answers, and after which it answers again. */
const stoppingSeconds = 2;
const absentSeconds = 7;

/** What lives from a start to the end of that process. */
interface Run {
  readonly timers: Timers;
  readonly startedMs: number;
  readonly maintenance: boolean;
  closeAdmin: () => void;
  pair?: HighAvailability;
  cluster?: Cluster;
}

/** One member: a server with a folder, ports of its own and an admin endpoint, in this process. */
export class AmlenServer {
  readonly folder: ServerFolder;
  readonly name: string;
  readonly adminUrl: string;
  /** Clients that are connected, as far as a split-brain is concerned. */
  connections = 0;
  /** Handshakes that its listeners refused since it was made: nothing in its status counts them. */
  refusedHandshakes = 0;
  readonly #options: AmlenServerOptions;
  readonly #time: ScaledTime;
  readonly #restart: Timers;
  readonly #cut = new Set<LinkName>();
  #run: Run | undefined;
  #state: ServerState = 11;
  #errorCode = 0;

  constructor(options: AmlenServerOptions) {
    const port = options.adminPort ?? 9089;
    this.#options = options;
    this.folder = new ServerFolder(options.folder);
    this.name = options.name ?? `${options.addresses[0]}:${port}`;
    this.adminUrl = `http://${options.addresses[0]}:${port}/ima/v1`;
    this.#time = new ScaledTime(options.speed);
    this.#restart = new Timers(this.#time);
  }

  get running(): boolean {
    return this.#run !== undefined;
  }

  /** Starts the process; resolves when its admin endpoint answers. */
  async start(): Promise<void> {
    if (this.#run !== undefined) throw new Error(`${this.name} runs already`);
    const run: Run = {
      timers: new Timers(this.#time),
      startedMs: this.#time.nowMs(),
      maintenance: this.folder.state.maintenance,
      closeAdmin: () => undefined,
    };
    this.#run = run;
    this.#state = run.maintenance ? 9 : 11;
    this.#errorCode = 0;
    const closeAdmin = await this.#openAdmin();
    if (this.#run !== run) return closeAdmin();
    run.closeAdmin = closeAdmin;
    if (!run.maintenance) await this.#startStore(run);
  }

  /** Ends the process at once, as kill -9 does; also what it was about to do. */
  kill(): void {
    this.#restart.clear();
    this.#end();
  }

  /** Loses whatever is sent over one of the pair's networks, until `heal`. */
  cut(link: LinkName): void {
    this.#cut.add(link);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Lets the message store hold something, so that it counts when a primary is chosen. */
  fillStore(): void {
    this.folder.keepStore({ empty: false });
  }

  async #openAdmin(): Promise<() => void> {
    const { addresses, adminPort = 9089, adminPassword } = this.#options;
    const { KeyStore } = this.folder.cfg();
    const certificate = join(KeyStore, "AdminDefaultCert.pem");
    const key = join(KeyStore, "AdminDefaultKey.pem");
    const own = existsSync(certificate) && existsSync(key);
    return listenForAdmins({
      host: addresses[0],
      port: adminPort,
      certificate: own ? readFileSync(certificate, "utf8") : builtInCertificate,
      key: own ? readFileSync(key, "utf8") : builtInKey,
      login: adminPassword === undefined ? undefined : { user: "admin", password: adminPassword },
      answer: (request) => answerAdmin(this.#administered, request),
    });
  }

  async #startStore(run: Run): Promise<void> {
    const { addresses, systemCertificates = [], certificateSyncFails = false } = this.#options;
    const configuration = withDefaults(this.folder.state.configuration);
    const pairConfiguration = configuration.HighAvailability;
    if (!pairConfiguration.EnableHA) return this.#startEngine(run, "PRIMARY");
    run.pair = new HighAvailability({
      folder: this.folder,
      cfg: this.folder.cfg(),
      configuration: pairConfiguration,
      credentials: pairConfiguration.UseSecuredConnections ? this.#credentials("HA") : undefined,
      systemCertificates,
      serverName: this.name,
      hostAddresses: addresses,
      clusterEnabled: configuration.ClusterMembership.EnableClusterMembership,
      timers: run.timers,
      isCut: (link) => this.#cut.has(link),
      connections: () => this.connections,
      certificateSyncFails,
      onRefused: () => this.#refused("HA_Incoming"),
      onRole: (role) => void this.#startEngine(run, role),
      onFailure: (failure) => this.#storeFailed(run, failure),
      onRestartClean: () => this.#restartNow({ maintenance: undefined, cleanStore: true }),
    });
    await run.pair.start();
  }

  /** The store is there: a primary, or a server of no pair, takes part in the cluster. */
  async #startEngine(run: Run, role: "PRIMARY" | "STANDBY"): Promise<void> {
    if (this.#run !== run) return;
    this.#state = role === "PRIMARY" ? 1 : 10;
    const configuration = withDefaults(this.folder.state.configuration).ClusterMembership;
    if (role === "STANDBY" || !configuration.EnableClusterMembership || run.cluster) return;
    const { systemCertificates = [], messagingPortWithoutTls = false } = this.#options;
    run.cluster = new Cluster({
      folder: this.folder,
      configuration,
      credentials: this.#credentials("Cluster"),
      systemCertificates,
      controlTlsPolicy: this.folder.cfg()["Cluster.ControlTLSPolicy"],
      messagingPortWithoutTls,
      serverName: this.name,
      time: this.#time,
      timers: run.timers,
      onRefused: (port) => this.#refused(port),
    });
    try {
      await run.cluster.start();
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.folder.log("imaserver-default", `CWLNA0911 E Cluster: ${cause}`);
      run.cluster.state = "Error";
    }
  }

  #credentials(kind: CredentialKind): MemberCredentials {
    const credentials = readMemberCredentials(this.folder.cfg(), kind);
    const use = kind === "HA" ? "High Availability Pairing" : "Clustering";
    // The only sign that files were found; nothing is said when they were not.
    if (credentials.source === "user provided") {
      this.folder.log("imatrace", `Using user provided credentials for ${use}`);
    }
    return credentials;
  }

  #refused(listener: string): void {
    this.refusedHandshakes += 1;
    this.folder.log("imatrace", `${listener}: handshake failed`);
    if (listener !== "messaging") return;
    const line = "CWLNA1116 W Connection closed during TLS handshake";
    this.folder.log("imaserver-connection", line);
  }

  /** The server goes on without its store, and is in maintenance until a restart with Maintenance "stop". */
  #storeFailed(run: Run, failure: PairFailure): void {
    if (this.#run !== run) return;
    this.folder.log("imaserver-default", failure.logLine);
    run.cluster?.stop();
    run.timers.clear();
    this.folder.keep({ maintenance: true });
    this.#state = 9;
    this.#errorCode = failure.errorCode;
  }

  #restartNow(request: RestartRequest): void {
    const { maintenance = this.folder.state.maintenance, cleanStore } = request;
    this.#endSoon(() => {
      this.folder.keep({ maintenance });
      if (cleanStore) this.folder.keep({ store: newStore() });
      this.#restart.after(absentSeconds, () => void this.#startAgain());
    });
  }

  /** A process that cannot start, for a file of the admin endpoint say, is gone: only its log tells. */
  async #startAgain(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      this.folder.log("imaserver-default", error instanceof Error ? error.message : String(error));
      this.kill();
    }
  }

  /** Answers a little longer, then ends. */
  #endSoon(then: () => void): void {
    this.#state = 2;
    this.#restart.clear();
    this.#restart.after(stoppingSeconds, () => {
      this.#end();
      then();
    });
  }

  #end(): void {
    const run = this.#run;
    this.#run = undefined;
    run?.timers.clear();
    run?.pair?.stop();
    run?.cluster?.stop();
    run?.closeAdmin();
  }

  get #view(): PairView {
    return this.#run?.pair?.view ?? noPair;
  }

  readonly #administered: Administered = {
    configuration: (name) => this.#configurationOf(name),
    configure: (body) => this.#configure(body),
    status: () => this.#status(),
    monitorCluster: () => clusterMonitor(this.#run?.cluster),
    restart: (request) => this.#restartNow(request),
    stop: () => this.#endSoon(() => undefined),
    removeClusterMember: (name, uid) => this.#run?.cluster?.remove(name, uid) ?? false,
  };

  #configurationOf(name: ObjectName): object {
    return withDefaults(this.folder.state.configuration)[name];
  }

  #configure(body: unknown): void {
    const { addresses } = this.#options;
    const before = this.folder.state.configuration;
    const configuration = changeConfiguration(body, {
      stored: before,
      role: this.#view.newRole,
      hostAddresses: addresses,
    });
    this.folder.keep({ configuration });
    const wasMember = withDefaults(before).ClusterMembership.EnableClusterMembership;
    const isMember = withDefaults(configuration).ClusterMembership.EnableClusterMembership;
    if (!wasMember || isMember) return;
    this.#run?.cluster?.leave();
    const serverUid = randomUUID().slice(0, 8);
    this.folder.keep({ serverUid, clusterMembers: [], removedMembers: [] });
    this.#restartNow({ maintenance: undefined, cleanStore: false });
  }

  #status(): Record<string, object> {
    const nowMs = this.#time.nowMs();
    const stored = withDefaults(this.folder.state.configuration);
    const { EnableHA, Group } = stored.HighAvailability;
    const { EnableClusterMembership, ClusterName } = stored.ClusterMembership;
    return {
      Server: serverStatus({
        name: this.name,
        uid: this.folder.state.serverUid,
        state: this.#state,
        errorCode: this.#errorCode,
        nowMs,
        upSeconds: (nowMs - (this.#run?.startedMs ?? nowMs)) / 1000,
      }),
      HighAvailability: highAvailabilityStatus({
        enabled: EnableHA,
        group: Group,
        view: this.#view,
        maintenance: this.#run?.maintenance ?? false,
        nowMs,
      }),
      Cluster: clusterStatus({
        enabled: EnableClusterMembership,
        name: ClusterName,
        cluster: this.#run?.cluster,
        state: this.#state,
      }),
    };
  }
}
