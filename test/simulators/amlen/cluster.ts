import type { Server, Socket } from "node:net";
import { parseDiscoveryServers, type Endpoint } from "./change-configuration.ts";
import { ClusterMember, type KnownMember } from "./cluster-members.ts";
import type { ClusterConfiguration } from "./configuration-objects.ts";
import type { MemberCredentials } from "./credential-files.ts";
import { MemberChannel, type MemberMessage } from "./member-channel.ts";
import { connectToMember, listenForMembers } from "./member-tls.ts";
import type { ScaledTime, Timers } from "./scaled-time.ts";
import type { ServerFolder } from "./server-folder.ts";

/** What the cluster needs of its member. */
export interface ClusterHost {
  readonly folder: ServerFolder;
  readonly configuration: ClusterConfiguration;
  readonly credentials: MemberCredentials;
  readonly systemCertificates: readonly string[];
  /** Cluster.ControlTLSPolicy: 1 always TLS, 2 never, 3 as messaging. */
  readonly controlTlsPolicy: number;
  /** The fault of facts section 0.13: status says nothing, the port speaks no TLS. */
  readonly messagingPortWithoutTls: boolean;
  readonly serverName: string;
  readonly time: ScaledTime;
  readonly timers: Timers;
  readonly onRefused: (port: "control" | "messaging") => void;
}

/** Real time between two rounds of connecting to members that are not connected. */
const dialMs = 20;

interface MemberHello {
  readonly type: "member";
  readonly cluster: string;
  readonly self: KnownMember;
  readonly known: readonly KnownMember[];
}

/** One server's part of the cluster: who is known, and who is connected. */
export class Cluster {
  state: "Discover" | "Active" | "Removed" | "Error" = "Discover";
  readonly #host: ClusterHost;
  readonly #self: KnownMember;
  readonly #members = new Map<string, ClusterMember>();
  readonly #listeners: Server[] = [];
  readonly #channels = new Set<MemberChannel>();
  /** Addresses to which a connection is being made. */
  readonly #dialling = new Set<string>();
  #ended = false;

  constructor(host: ClusterHost) {
    this.#host = host;
    const { configuration, folder, serverName, messagingPortWithoutTls } = host;
    const control = { host: configuration.ControlAddress ?? "", port: configuration.ControlPort };
    this.#self = {
      uid: folder.state.serverUid,
      name: serverName,
      control: {
        host: configuration.ControlExternalAddress ?? control.host,
        port: configuration.ControlExternalPort ?? control.port,
      },
      messaging: {
        host:
          configuration.MessagingExternalAddress ?? configuration.MessagingAddress ?? control.host,
        port: configuration.MessagingExternalPort ?? configuration.MessagingPort,
        tls: configuration.MessagingUseTLS && !messagingPortWithoutTls,
      },
    };
    for (const known of folder.state.clusterMembers) this.#learn(known);
  }

  async start(): Promise<void> {
    const { configuration, credentials, timers, messagingPortWithoutTls } = this.#host;
    const { ControlAddress, ControlPort, MessagingAddress, MessagingPort } = configuration;
    const host = ControlAddress ?? "";
    const forced = credentials.source === "user provided";
    const messagingTls = configuration.MessagingUseTLS && !messagingPortWithoutTls;
    const ports = [
      // RequireCertificates has no effect here: the property that it sets is never read.
      { name: "control", host, port: ControlPort, tls: this.#controlTls, required: true },
      {
        name: "messaging",
        host: MessagingAddress ?? host,
        port: MessagingPort,
        tls: messagingTls,
        required: forced || configuration.RequireCertificates,
      },
    ] as const;
    for (const { name, tls, required, ...endpoint } of ports) {
      const listener = await listenForMembers({
        ...endpoint,
        credentials: tls ? credentials : undefined,
        requireCertificates: required,
        onRefused: () => this.#host.onRefused(name),
        onConnection: (socket) => this.#accept(name, socket),
      });
      this.#listeners.push(listener);
    }
    if (this.#ended) return this.stop();
    timers.after(configuration.DiscoveryTime, () => {
      if (this.state === "Discover") this.state = "Active";
    });
    timers.every(0, dialMs, () => this.#dial());
  }

  stop(): void {
    this.#ended = true;
    for (const channel of this.#channels) channel.close();
    for (const listener of this.#listeners) listener.close();
  }

  /** Says to all who are connected that this server leaves for good. */
  leave(): void {
    for (const member of this.#members.values()) {
      for (const control of member.controls) control.send({ type: "leave", uid: this.#self.uid });
    }
  }

  get members(): readonly ClusterMember[] {
    return [...this.#members.values()];
  }

  /** Forgets an inactive member for good; false if it is not inactive, or not known by this name. */
  remove(name: string, uid: string): boolean {
    const member = this.#members.get(uid);
    if (member === undefined || member.known.name !== name || member.status !== "Inactive") {
      return false;
    }
    this.#forget(uid);
    const { folder } = this.#host;
    folder.keep({ removedMembers: [...folder.state.removedMembers, uid] });
    return true;
  }

  get #controlTls(): boolean {
    const { controlTlsPolicy, configuration } = this.#host;
    return controlTlsPolicy === 3 ? configuration.MessagingUseTLS : controlTlsPolicy !== 2;
  }

  #channel(socket: Socket): MemberChannel {
    const channel = new MemberChannel(socket, () => false);
    this.#channels.add(channel);
    channel.onClose = () => this.#channels.delete(channel);
    return channel;
  }

  #accept(name: "control" | "messaging", socket: Socket): void {
    if (this.#ended) return void socket.destroy();
    const channel = this.#channel(socket);
    if (name === "control") return this.#converse(channel);
    channel.onMessage = () => channel.send({ type: "welcome" });
  }

  #dial(): void {
    if (this.state === "Removed") return;
    const connected = this.members.filter(({ controls }) => controls.size > 0);
    const listed = parseDiscoveryServers(this.#host.configuration.DiscoveryServerList);
    const known = this.members.map((member) => member.known.control);
    const done = new Set([this.#self, ...connected.map((member) => member.known)].map(controlKey));
    for (const endpoint of [...listed, ...known]) {
      if (done.has(endpointKey(endpoint))) continue;
      void this.#connect(endpoint, this.#controlTls, (channel) => this.#converse(channel));
    }
    for (const member of connected) {
      if (member.forwarding !== undefined) continue;
      const { messaging } = member.known;
      void this.#connect(messaging, messaging.tls, (channel) => this.#forward(member, channel));
    }
  }

  async #connect(
    endpoint: Endpoint,
    tls: boolean,
    then: (channel: MemberChannel) => void,
  ): Promise<void> {
    const key = endpointKey(endpoint);
    if (this.#dialling.has(key)) return;
    this.#dialling.add(key);
    const { credentials, systemCertificates } = this.#host;
    try {
      const { host, port } = endpoint;
      const options = { host, port, credentials: tls ? credentials : undefined };
      const socket = await connectToMember({ ...options, systemCertificates });
      if (this.#ended) return void socket.destroy();
      then(this.#channel(socket));
    } catch {
      // Nobody there, or not taken: it is tried again, and nothing is said.
    } finally {
      this.#dialling.delete(key);
    }
  }

  /** Exchanges who is who on a control connection. */
  #converse(channel: MemberChannel): void {
    const { configuration, folder } = this.#host;
    const known = this.members.map((member) => member.known);
    const hello: MemberHello = {
      type: "member",
      cluster: configuration.ClusterName,
      self: this.#self,
      known,
    };
    channel.send({ ...hello });
    channel.onMessage = (message) => {
      if (message.type === "removed") return this.#removed();
      if (message.type !== "member") return channel.close();
      const heard = message as unknown as MemberHello;
      if (folder.state.removedMembers.includes(heard.self.uid)) {
        channel.send({ type: "removed" });
        return channel.end();
      }
      const isOther = heard.self.uid !== this.#self.uid;
      if (heard.cluster !== configuration.ClusterName || !isOther) return channel.close();
      this.#join(channel, heard);
    };
  }

  #join(channel: MemberChannel, heard: MemberHello): void {
    const { time } = this.#host;
    const member = this.#learn(heard.self);
    member.controls.add(channel);
    member.statusMs = time.nowMs();
    for (const known of heard.known) this.#hearOf(known);
    this.#tell(heard.self);
    channel.onMessage = (message) => this.#receive(message);
    channel.onClose = () => {
      this.#channels.delete(channel);
      member.controls.delete(channel);
      member.statusMs = time.nowMs();
      if (member.controls.size === 0) member.forwarding?.close();
    };
  }

  #receive(message: MemberMessage): void {
    if (message.type === "known") this.#hearOf(message["member"] as KnownMember);
    else if (message.type === "leave") this.#forget(String(message["uid"]));
    else if (message.type === "removed") this.#removed();
  }

  /** The others have removed this server while it was away: it needs another UID to come back. */
  #removed(): void {
    this.state = "Removed";
    for (const member of this.#members.values()) member.close();
  }

  /** What a third member says of another counts only if nothing is known of that one yet. */
  #hearOf(known: KnownMember): void {
    const isNews = known.uid !== this.#self.uid && !this.#members.has(known.uid);
    if (isNews && !this.#host.folder.state.removedMembers.includes(known.uid)) this.#learn(known);
  }

  #tell(news: KnownMember): void {
    for (const member of this.#members.values()) {
      for (const control of member.controls) control.send({ type: "known", member: news });
    }
  }

  #learn(known: KnownMember): ClusterMember {
    const member =
      this.#members.get(known.uid) ?? new ClusterMember(known, this.#host.time.nowMs());
    const changed = JSON.stringify(member.known) !== JSON.stringify(known);
    member.known = known;
    if (!this.#members.has(known.uid) || changed) {
      this.#members.set(known.uid, member);
      this.#keep();
    }
    return member;
  }

  #forget(uid: string): void {
    this.#members.get(uid)?.close();
    this.#members.delete(uid);
    this.#keep();
  }

  #keep(): void {
    this.#host.folder.keep({ clusterMembers: this.members.map(({ known }) => known) });
  }

  /** The connection that messages for `member` take: up when that one has welcomed it. */
  #forward(member: ClusterMember, channel: MemberChannel): void {
    channel.onMessage = () => {
      member.forwarding = channel;
      member.statusMs = this.#host.time.nowMs();
    };
    channel.onClose = () => {
      this.#channels.delete(channel);
      if (member.forwarding !== channel) return;
      member.forwarding = undefined;
      member.statusMs = this.#host.time.nowMs();
    };
    channel.send({ type: "forward", uid: this.#self.uid });
  }
}

function endpointKey({ host, port }: Endpoint): string {
  return `${host} ${port}`;
}

function controlKey({ control }: KnownMember): string {
  return endpointKey(control);
}
