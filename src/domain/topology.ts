import type { CredentialId, GroupId, HostId, ProcessId, RelyingPartyId } from "../kit/index.ts";
import type { JournalHead } from "./issuance-journal.ts";
import type { KeyCopies } from "./key-copies.ts";
import type { Restoration } from "./restoration.ts";
import type { Role } from "./roles.ts";
import type { Member, Service } from "./service.ts";

export interface Domain {
  /** UUID; also the SPIFFE trust domain. */
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** SPKI (hex SHA-256) of the trust-signing key that signs from now on. */
  readonly trustSigningKey: string;
  /** Absent unless the domain was restored from a backup, and no newer backup was made since. */
  readonly restoration?: Restoration;
  /** The keys of which a copy is kept elsewhere; absent: none is known of. */
  readonly keyCopies?: KeyCopies;
}

/** Which end opens the connection between Node Manager and Admin Node Manager. */
export type Dial = "nm" | "anm";

/**
 * `joining` hosts wait for a certificate that is signed elsewhere, and nothing was heard of them yet.
 * `quarantined` ones get nothing but the news that they wait for approval. `revoked` is for good:
 * the keys of all processes of the host are denied, and nobody waits for it.
 */
export type HostStatus = "joining" | "active" | "quarantined" | "revoked";

export interface Host {
  readonly id: HostId;
  readonly name: string;
  /** DNS name or IP address at which other hosts reach it. */
  readonly address: string;
  readonly status: HostStatus;
  readonly dial: Dial;
  /** Further names in its Node Manager's certificate, as `DNS:name`; absent: none. */
  readonly alternativeNames?: readonly string[];
  readonly nodeManager: NodeManager;
  /** Encrypts its keys while their certificates are signed elsewhere; absent: none was given for them. */
  readonly keyPassphrase?: SealedPassphrase;
  /** Number of the newest host document; agents refuse a lower one. */
  readonly documentVersion: number;
  /** How far its journal of local issuances was merged; absent: it has shown none. */
  readonly journal?: MergedJournal;
}

/** What the domain knows of a host's journal of local issuances. */
export interface MergedJournal extends JournalHead {
  /** What could not be taken over as it was; the newest few. */
  readonly refused: readonly RefusedIssuance[];
}

/** A certificate that a host uses, and that no peer should rely on, or an entry that does not fit. */
export interface RefusedIssuance {
  readonly number: number;
  readonly credentialId: CredentialId;
  readonly serial: string;
  readonly reason: string;
}

export interface NodeManager {
  readonly id: ProcessId;
  readonly name: string;
  readonly port: number;
  readonly isAdmin: boolean;
  /** An Admin Node Manager's key to seal shared keys for, SPKI in base64; null until it ran. */
  readonly sealingKey: string | null;
}

export interface Group {
  readonly id: GroupId;
  readonly name: string;
  readonly configuration: GatewayConfiguration;
  /** By which the keys of its instances are encrypted; absent: it never had one. */
  readonly passphrase?: GroupPassphrase;
}

/** The passphrase of a group, as far as the store may know it. */
export interface GroupPassphrase {
  /** Rises with every change. */
  readonly version: number;
  /** By which it is known again; null: it was taken away. */
  readonly hash: string | null;
  /** For each host with instances of the group, by its id: the passphrase, sealed for its Node Manager. */
  readonly sealed: Readonly<Record<string, SealedPassphrase>>;
}

interface SealedPassphrase {
  /** The key that it is sealed for: SPKI, base64. */
  readonly sealingKey: string;
  readonly text: string;
}

/** What every instance of a group serves. */
export interface GatewayConfiguration {
  readonly routes: readonly Route[];
  /** Names that callers use: the DNS names of the traffic credentials of the group. */
  readonly dnsNames: readonly string[];
}

/** The first route whose host and path prefix match takes the request. */
export interface Route {
  /** Host header to match, without port; null matches every host. */
  readonly host: string | null;
  readonly pathPrefix: string;
  /** `http://host:port` of each upstream server; healthy ones take turns. */
  readonly upstreams: readonly string[];
  /** Path that answers 2xx when an upstream is healthy; null: a TCP connection is enough. */
  readonly healthPath: string | null;
}

export interface Instance {
  readonly id: ProcessId;
  readonly name: string;
  readonly groupId: GroupId;
  readonly hostId: HostId;
  readonly managementPort: number;
  readonly servicesPort: number;
  /** Desired state: should the process run? */
  readonly enabled: boolean;
  readonly tags: Readonly<Record<string, string>>;
}

/** A caller outside the domain that reads the trust bundle and reports the epoch it has loaded. */
export interface RelyingParty {
  readonly id: RelyingPartyId;
  readonly name: string;
  readonly createdAtMs: number;
}

export interface Topology {
  readonly domain: Domain;
  readonly hosts: readonly Host[];
  readonly groups: readonly Group[];
  readonly instances: readonly Instance[];
  readonly services: readonly Service[];
  readonly members: readonly Member[];
  readonly relyingParties: readonly RelyingParty[];
}

/** What brings a revoked host back into the domain: nothing but joining as a new one. */
export function revokedRemedy({ id }: Pick<Host, "id">): string {
  return `delete its instances and the host (\`managedomain --delete_instance\`, \`gatehouse host delete ${id}\`), then let the machine join anew with a token`;
}

/** One operating-system process of the domain, as a party of TLS conversations. */
export interface Process {
  readonly id: ProcessId;
  readonly role: Role;
  readonly hostId: HostId;
  readonly name: string;
}

/**
 * The Admin Node Manager's server process. It shares the management credential of its host's
 * Node Manager, but loads trust on its own, so gates count it on its own.
 */
export function adminProcessOf(nodeManager: ProcessId): ProcessId {
  return `${nodeManager}.admin` as ProcessId;
}

/** Every process of the hosts that take part: quarantined and revoked hosts do not. */
export function processesOf(topology: Topology): Process[] {
  const processes: Process[] = [];
  for (const host of topology.hosts) {
    if (host.status !== "active") continue;
    const { id, name, isAdmin } = host.nodeManager;
    processes.push({ id, role: isAdmin ? "anm" : "nm", hostId: host.id, name });
    if (isAdmin) processes.push({ id: adminProcessOf(id), role: "anm", hostId: host.id, name });
  }
  const active = new Set(processes.map((process) => process.hostId));
  for (const instance of topology.instances) {
    if (!active.has(instance.hostId)) continue;
    processes.push({
      id: instance.id,
      role: "gateway",
      hostId: instance.hostId,
      name: instance.name,
    });
  }
  return processes;
}
