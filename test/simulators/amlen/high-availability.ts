import type { Server, Socket } from "node:net";
import type { HighAvailabilityConfiguration } from "./configuration-objects.ts";
import type { MemberCredentials } from "./credential-files.ts";
import { MemberChannel, type MemberMessage } from "./member-channel.ts";
import { checkCredentials, connectToMember, listenForMembers } from "./member-tls.ts";
import { PairLinks, type LinkName } from "./pair-links.ts";
import { decideRole, type PairHello, type ReasonCode, type Role } from "./role-decision.ts";
import type { Timers } from "./scaled-time.ts";
import type { CertificateFiles, ServerFolder, StoreState } from "./server-folder.ts";
import type { KnownMember } from "./cluster-members.ts";
import type { ServerCfg } from "./server-cfg.ts";

/** The view of a pair from one of its members. */
export interface PairView {
  readonly newRole: Role;
  readonly oldRole: Role;
  readonly activeNodes: number;
  readonly syncNodes: number;
  /** -1 while nothing is synchronised. */
  readonly pctSyncCompletion: number;
  readonly reasonCode: ReasonCode;
  readonly reasonParameter: string;
  readonly remoteServerName: string;
}

/** With high availability off, or after the store was stopped. */
export const noPair: PairView = {
  newRole: "HADISABLED",
  oldRole: "HADISABLED",
  activeNodes: 0,
  syncNodes: 0,
  pctSyncCompletion: 0,
  reasonCode: 0,
  reasonParameter: "",
  remoteServerName: "",
};

const searching: PairView = {
  ...noPair,
  newRole: "UNSYNC",
  oldRole: "UNSYNC",
  pctSyncCompletion: -1,
};

/** Why the member's store stopped; `errorCode` is the Server block's. */
export interface PairFailure {
  readonly view: PairView;
  readonly errorCode: number;
  readonly logLine: string;
}

/** What the pair needs of its member. */
export interface PairHost {
  readonly folder: ServerFolder;
  readonly cfg: ServerCfg;
  readonly configuration: HighAvailabilityConfiguration;
  /** Undefined: UseSecuredConnections is false. */
  readonly credentials: MemberCredentials | undefined;
  readonly systemCertificates: readonly string[];
  readonly serverName: string;
  /** The addresses of the member's own host. */
  readonly hostAddresses: readonly string[];
  readonly clusterEnabled: boolean;
  readonly timers: Timers;
  readonly isCut: (link: LinkName) => boolean;
  readonly connections: () => number;
  /** The script that copies certificates cannot run: /bin/sh is dash. */
  readonly certificateSyncFails: boolean;
  readonly onRefused: () => void;
  readonly onRole: (role: "PRIMARY" | "STANDBY") => void;
  readonly onFailure: (failure: PairFailure) => void;
  readonly onRestartClean: () => void;
}

/** Seconds that a StandAlone member looks for another one; fixed. */
const standAloneSeconds = 10;

/** Seconds that the synchronisation of an empty store was seen to take. */
const synchronisationSeconds = 8;

/** Real time between two attempts to reach the other member. */
const searchMs = 20;

interface Synchronise {
  readonly serverUid: string;
  readonly store: StoreState;
  readonly clusterMembers: readonly KnownMember[];
  readonly certificates: CertificateFiles;
}

/** High availability of one member: finds the other, takes a role, and notices when the other is gone. */
export class HighAvailability {
  view: PairView = searching;
  readonly #host: PairHost;
  readonly #listeners: Server[] = [];
  readonly #greetings = new Set<MemberChannel>();
  #replicationPort = 0;
  /** An accepted connection for replication; it may overtake the other one's choice of the pair's first. */
  #early: MemberChannel | undefined;
  #peer: PairHello | undefined;
  #links: PairLinks | undefined;
  #connecting = false;
  #ended = false;
  #stopWaiting: () => void = () => undefined;

  constructor(host: PairHost) {
    this.#host = host;
  }

  /** Begins the search; the outcome comes as an event. */
  async start(): Promise<void> {
    const { configuration, credentials, timers, cfg } = this.#host;
    try {
      if (credentials !== undefined) checkCredentials(credentials);
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      return this.#fail({
        view: searching,
        errorCode: 509,
        logLine: `CWLNA0911 E HA_Incoming: the TLS context could not be created: ${cause}`,
      });
    }
    const wrongNic = this.#wrongNic();
    if (wrongNic !== undefined) return this.#fail(configurationError(wrongNic));
    try {
      const { LocalReplicationNIC, ReplicationPort, LocalDiscoveryNIC } = configuration;
      this.#replicationPort = await this.#listen(
        "replication",
        LocalReplicationNIC,
        ReplicationPort,
      );
      await this.#listen("discovery", LocalDiscoveryNIC, cfg["HA.DiscoveryPort"]);
    } catch {
      return this.#fail(configurationError("HA.LocalDiscoveryNIC"));
    }
    if (this.#ended) return this.stop();
    this.#waitForPeer();
    timers.every(0, searchMs, () => void this.#search());
  }

  /** Closes everything at once, as the end of the process would. */
  stop(): void {
    this.#ended = true;
    this.#links?.end();
    this.#early?.close();
    for (const channel of this.#greetings) channel.close();
    for (const listener of this.#listeners) listener.close();
  }

  /** The NIC that the host does not have, or the second one if they must be two and are one. */
  #wrongNic(): string | undefined {
    const { configuration, cfg, hostAddresses } = this.#host;
    const { LocalReplicationNIC, LocalDiscoveryNIC } = configuration;
    if (!hostAddresses.includes(LocalReplicationNIC)) return "HA.LocalReplicationNIC";
    if (!hostAddresses.includes(LocalDiscoveryNIC)) return "HA.LocalDiscoveryNIC";
    const oneNic = LocalReplicationNIC === LocalDiscoveryNIC && cfg["HA.AllowSingleNIC"] !== 1;
    return oneNic ? "HA.LocalDiscoveryNIC" : undefined;
  }

  async #listen(link: LinkName, host: string, port: number): Promise<number> {
    const { credentials, configuration, isCut, onRefused } = this.#host;
    // User provided credentials force it, whatever the setting says.
    const forced = credentials?.source === "user provided";
    const listener = await listenForMembers({
      host,
      port,
      credentials,
      requireCertificates: forced || (configuration.RequireCertificates ?? true),
      onRefused,
      onConnection: (socket) => this.#accept(link, socket),
    });
    listener.on("connection", (socket: Socket) => {
      const paired = link === "discovery" && this.#peer !== undefined;
      if (paired || isCut(link) || this.#ended) socket.destroy();
    });
    this.#listeners.push(listener);
    const address = listener.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  #accept(link: LinkName, socket: Socket): void {
    if (this.#ended) return void socket.destroy();
    const channel = new MemberChannel(socket, () => this.#host.isCut(link));
    if (link === "discovery") return this.#greet(channel, false);
    this.#early = channel;
    this.#takeReplication();
  }

  #takeReplication(): void {
    if (this.#early === undefined || this.#links === undefined) return;
    this.#links.add("replication", this.#early);
    this.#early = undefined;
    this.#linked();
  }

  #waitForPeer(): void {
    const { configuration, timers } = this.#host;
    const alone = configuration.StartupMode === "StandAlone";
    this.#stopWaiting = timers.after(
      alone ? standAloneSeconds : configuration.DiscoveryTimeout,
      () => {
        if (alone) return this.#becomePrimaryAlone();
        this.#fail({ view: noPair, errorCode: 509, logLine: "CWLNA0509 E store HA error" });
      },
    );
  }

  async #search(): Promise<void> {
    const { configuration, credentials, systemCertificates, cfg, isCut } = this.#host;
    if (this.#peer !== undefined || this.#connecting || this.#ended || isCut("discovery")) return;
    this.#connecting = true;
    try {
      const port = configuration.RemoteDiscoveryPort || cfg["HA.DiscoveryPort"];
      const host = configuration.RemoteDiscoveryNIC;
      const socket = await connectToMember({ host, port, credentials, systemCertificates });
      const channel = new MemberChannel(socket, () => isCut("discovery"));
      this.#greet(channel, true);
    } catch {
      // Nobody there, or not taken: only the trace would say so.
    } finally {
      this.#connecting = false;
    }
  }

  /** Exchanges hellos; the member with the higher node id then chooses this connection. */
  #greet(channel: MemberChannel, initiator: boolean): void {
    if (this.#ended || this.#peer !== undefined) return channel.close();
    this.#greetings.add(channel);
    channel.onClose = () => this.#greetings.delete(channel);
    const said = this.#hello();
    let heard: PairHello | undefined;
    channel.send({ ...said });
    channel.onMessage = (message) => {
      if (message.type === "hello") {
        heard = message as unknown as PairHello;
        if (said.nodeId < heard.nodeId) return;
        if (this.#peer !== undefined || this.view.newRole !== said.role) return channel.close();
        channel.send({ type: "agreed" });
        this.#meet(channel, initiator, said, heard);
      } else if (message.type === "agreed" && heard !== undefined) {
        if (this.#peer === undefined) this.#meet(channel, initiator, said, heard);
        else channel.close();
      }
    };
  }

  #hello(): PairHello {
    const { configuration, cfg, folder, serverName, connections, clusterEnabled } = this.#host;
    const { ExternalReplicationNIC, ExternalReplicationPort, LocalReplicationNIC } = configuration;
    return {
      type: "hello",
      role: this.view.newRole,
      nodeId: folder.state.nodeId,
      group: configuration.Group,
      startupMode: configuration.StartupMode,
      preferredPrimary: configuration.PreferredPrimary,
      disableAutoResync: cfg["HA.DisableAutoResync"] === 1,
      splitBrainPolicy: cfg["HA.SplitBrainPolicy"],
      connections: connections(),
      heartbeatTimeout: configuration.HeartbeatTimeout,
      store: folder.state.store,
      mustMatch: {
        "Store.TotalMemSizeMB": cfg["Store.TotalMemSizeMB"],
        "Cluster.EnableClusterMembership": clusterEnabled,
      },
      serverName,
      replication: {
        host: ExternalReplicationNIC || LocalReplicationNIC,
        port: ExternalReplicationPort || this.#replicationPort,
      },
    };
  }

  #meet(channel: MemberChannel, initiator: boolean, said: PairHello, heard: PairHello): void {
    const decision = decideRole(said, heard);
    this.#greetings.delete(channel);
    switch (decision.outcome) {
      case "alone":
        return channel.end();
      case "restart-clean":
        channel.end();
        this.stop();
        return this.#host.onRestartClean();
      case "error":
        channel.end();
        return this.#failToPair(decision.reason, decision.parameter);
      case "primary":
      case "standby":
        return this.#pairUp(channel, initiator, decision.outcome, heard);
    }
  }

  #failToPair(reason: ReasonCode, parameter: string): void {
    if (this.view.newRole === "PRIMARY") {
      return this.#fail({ view: noPair, errorCode: 0, logLine: terminated });
    }
    const view: PairView = {
      ...searching,
      newRole: "UNSYNC_ERROR",
      reasonCode: reason,
      reasonParameter: parameter,
    };
    this.#fail({ view, errorCode: 509, logLine: "CWLNA0509 E store HA error" });
  }

  #pairUp(
    channel: MemberChannel,
    initiator: boolean,
    outcome: "primary" | "standby",
    peer: PairHello,
  ): void {
    const { timers, configuration } = this.#host;
    this.#peer = peer;
    this.#stopWaiting();
    for (const other of this.#greetings) other.close();
    const timeout = Math.min(configuration.HeartbeatTimeout, peer.heartbeatTimeout);
    this.#links = new PairLinks(timers, timeout, {
      onMessage: (message) => this.#receive(message),
      onOneLost: (living) => {
        if (this.view.newRole === "PRIMARY") living.send({ type: "terminate" });
      },
      onAllLost: () => this.#lostPeer(),
    });
    this.#links.add("discovery", channel);
    const first = this.view.newRole;
    this.view =
      outcome === "primary"
        ? {
            ...searching,
            newRole: "PRIMARY",
            oldRole: first,
            activeNodes: 2,
            syncNodes: 1,
            pctSyncCompletion: 1,
          }
        : { ...searching, activeNodes: 2 };
    if (initiator) void this.#openReplication(peer, this.#links);
    else this.#takeReplication();
  }

  async #openReplication(peer: PairHello, links: PairLinks): Promise<void> {
    const { credentials, systemCertificates, isCut } = this.#host;
    try {
      const options = { ...peer.replication, credentials, systemCertificates };
      const socket = await connectToMember(options);
      const channel = new MemberChannel(socket, () => isCut("replication"));
      if (this.#links !== links) return channel.close();
      links.add("replication", channel);
      this.#linked();
    } catch {
      links.end();
      if (this.#links === links) this.#lostPeer();
    }
  }

  /** Both connections are there: the primary begins to synchronise. */
  #linked(): void {
    const { folder, timers } = this.#host;
    const links = this.#links;
    if (this.view.newRole !== "PRIMARY" || links === undefined) return;
    folder.keepStore({ wasPrimary: true, partial: false });
    const { serverUid, store, clusterMembers } = folder.state;
    const content: Synchronise = {
      serverUid,
      store,
      clusterMembers,
      certificates: folder.certificateFiles(),
    };
    links.send({ type: "synchronise", ...content });
    timers.after(synchronisationSeconds, () => {
      if (this.#links !== links || this.#peer === undefined) return;
      links.send({ type: "synchronised" });
      this.view = {
        ...this.#inSync("PRIMARY", "PRIMARY"),
        remoteServerName: this.#peer.serverName,
      };
      this.#host.onRole("PRIMARY");
    });
  }

  #receive(message: MemberMessage): void {
    const { folder, certificateSyncFails, onRole } = this.#host;
    if (message.type === "synchronise") {
      const content = message as unknown as Synchronise;
      if (certificateSyncFails) {
        const logLine = "CWLNA0506 E the certificates could not be synchronised";
        return this.#fail({ view: noPair, errorCode: 506, logLine });
      }
      folder.replaceCertificates(content.certificates);
      const store = { ...content.store, wasPrimary: false, partial: true };
      folder.keep({ serverUid: content.serverUid, clusterMembers: content.clusterMembers, store });
    } else if (message.type === "synchronised") {
      folder.keepStore({ partial: false });
      this.view = this.#inSync("STANDBY", "UNSYNC");
      onRole("STANDBY");
    } else if (message.type === "terminate") {
      this.#fail({ view: noPair, errorCode: 0, logLine: terminated });
    }
  }

  #inSync(newRole: Role, oldRole: Role): PairView {
    const remoteServerName = this.#peer?.serverName ?? "";
    return { ...searching, newRole, oldRole, activeNodes: 2, syncNodes: 2, remoteServerName };
  }

  #lostPeer(): void {
    this.#peer = undefined;
    this.#links = undefined;
    if (this.#ended) return;
    if (this.view.newRole === "PRIMARY" || this.view.newRole === "STANDBY") {
      return this.#becomePrimaryAlone();
    }
    this.view = searching;
    this.#waitForPeer();
  }

  #becomePrimaryAlone(): void {
    const { folder, onRole } = this.#host;
    const oldRole = this.view.newRole;
    if (oldRole !== "PRIMARY") folder.keepStore({ session: folder.state.store.session + 1 });
    folder.keepStore({ wasPrimary: true, partial: false });
    this.view = { ...searching, newRole: "PRIMARY", oldRole, activeNodes: 1, syncNodes: 1 };
    onRole("PRIMARY");
  }

  #fail(failure: PairFailure): void {
    this.view = failure.view;
    this.stop();
    this.#host.onFailure(failure);
  }
}

const terminated = "CWLNA6112 E TERMINATE_STORE";

function configurationError(parameter: string): PairFailure {
  const view: PairView = {
    ...searching,
    newRole: "UNSYNC_ERROR",
    reasonCode: 1,
    reasonParameter: parameter,
  };
  return {
    view,
    errorCode: 510,
    logLine: `CWLNA0510 E ${parameter} is not an address of this host`,
  };
}
