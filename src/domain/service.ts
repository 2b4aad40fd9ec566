import type { AuthorityId, HostId, ProcessId, ServiceId } from "../kit/index.ts";
import type { Finding } from "./finding.ts";
import type { MemberStatus } from "./member-status.ts";
import type { RememberedChange } from "./status-history.ts";

/** `replicas`: any does; `pair`: one is active and one stands by; `cluster`: they agree among themselves. */
export type ServiceShape = "replicas" | "pair" | "cluster";

/** Servers of another vendor that work as one, with an authority of their own. */
export interface Service {
  /** Also the usage of its authorities. */
  readonly id: ServiceId;
  readonly name: string;
  readonly shape: ServiceShape;
  readonly driver: ServiceDriver;
  /** True: Node Managers start its members and keep them running; false: they are only looked after. */
  readonly supervised: boolean;
  /** How many members may be away at once during a plan. */
  readonly maxUnavailable: number;
  /** Names by which callers know the service; in the certificate of every member. */
  readonly dnsNames: readonly string[];
  /** Which member of a pair is active, where its driver leaves that to Gatehouse; else null. */
  readonly active: ActiveMember | null;
}

export interface ActiveMember {
  readonly member: ProcessId;
  /** `hand-over`: the one before gives it up, losing nothing; `promotion`: it may be dead. */
  readonly by: "hand-over" | "promotion";
}

/** The driver of a service: its description as it was applied, variables unresolved, and what plans need of it. */
export interface ServiceDriver {
  readonly name: string;
  readonly traits: DriverTraits;
  readonly description: Readonly<Record<string, unknown>>;
}

/** What a plan has to know about a kind of server. */
export interface DriverTraits {
  /** It can trust an old and a new CA at once. */
  readonly overlap: boolean;
  /** How another key, and other trusted CAs, take effect; a restart takes the member away for a while. */
  readonly keyBy: "reload" | "restart";
  readonly trustBy: "reload" | "restart";
  /** Members verify each other, or their callers, by the service's CA: trust in a new one comes first. */
  readonly verifiesPeers: boolean;
  /** Who makes another member of a pair the active one: nobody, the server by itself, or the driver. */
  readonly roles: "none" | "server" | "driver";
  /** How trust is proven on the live port: by a handshake that is answered, or only by what was loaded. */
  readonly evidence: "handshake" | "loaded";
  /** The server's own replication copies one member's credential to the other (Amlen pairs). */
  readonly copiesCredentials: boolean;
  /** It counts the calls that it answers and those that fail: a canary can be compared. */
  readonly countsCalls: boolean;
  /** How long a member may take to be back after a restart, in seconds. */
  readonly backWithinSeconds: number;
}

/** One server of a service, on a host. */
export interface Member {
  readonly id: ProcessId;
  readonly name: string;
  readonly serviceId: ServiceId;
  readonly hostId: HostId;
  /** Values for the variables of the driver's description. */
  readonly variables: Readonly<Record<string, string | number>>;
  /** Configuration of the server itself, which its driver sends it; absent: none. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Names in its certificate, beside the service's and its host's address. */
  readonly dnsNames: readonly string[];
  /** In a cluster of pairs: which pair it belongs to; else null. */
  readonly pair: string | null;
  /** Desired state: should a supervised one run? */
  readonly enabled: boolean;
  /** Desired state: the authorities whose CAs it trusts. */
  readonly trusts: readonly AuthorityId[];
}

/** What the Node Manager of its host last proved about a member. */
export interface MemberObservation {
  readonly id: ProcessId;
  /** What its server uses: the last known good generation; null before the first. */
  readonly installed: {
    /** Of its credential; 0 is what was found on the host. */
    readonly sequence: number;
    readonly trusts: readonly AuthorityId[];
  } | null;
  /** Authorities of which the server itself, in a handshake on its live port, accepted a probe. */
  readonly accepts: readonly AuthorityId[];
  /** What the server says of itself; null while it does not answer, or its driver cannot ask. */
  readonly status: MemberStatus | null;
  /** Files that somebody else changed. */
  readonly changedFiles: readonly string[];
  /** What an examination on its host found that keeps it out, or will. */
  readonly findings: readonly Finding[];
  /** What changed in its status, the oldest first; kept by Admin Node Managers, since servers forget it. */
  readonly history?: readonly RememberedChange[];
  /** Why it is not as desired; null while it is. One line that names the file or the step. */
  readonly problem: string | null;
}

/** The members of a service, in order. */
export function membersOf(
  { members }: { readonly members: readonly Member[] },
  { id }: Pick<Service, "id">,
): Member[] {
  return members.filter(({ serviceId }) => serviceId === id);
}

/** What the driver is to make of a member of a pair; null where its servers see to that themselves. */
export function wantedRole(
  { active }: Pick<Service, "active">,
  { id }: Pick<Member, "id">,
): WantedRole | null {
  if (active === null) return null;
  return { role: active.member === id ? "active" : "standby", by: active.by };
}

export interface WantedRole {
  readonly role: "active" | "standby";
  readonly by: ActiveMember["by"];
}
