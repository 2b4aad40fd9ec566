import type { AuthorityId, HostId, ProcessId, ServiceId } from "../../src/kit/index.ts";
import type {
  ClusterStatus,
  DriverTraits,
  HighAvailabilityStatus,
  MemberObservation,
  MemberStatus,
  SeenMember,
  Service,
  ServiceShape,
} from "../../src/domain/index.ts";

export const nowMs = Date.UTC(2026, 10, 23, 8);

/** A service of Amlen servers. */
export function service(shape: ServiceShape, changes: Partial<Service> = {}): Service {
  const traits = { roles: "server", copiesCredentials: true } as DriverTraits;
  return {
    id: "svc-1" as ServiceId,
    name: "messages",
    shape,
    driver: { name: "amlen", traits, description: { code: "amlen" } },
    supervised: false,
    maxUnavailable: 1,
    dnsNames: [],
    active: null,
    ...changes,
  };
}

/** A member and what was last heard of it, `ageMs` before `nowMs`. */
export function seen(
  name: string,
  status: MemberStatus | null,
  {
    pair = null,
    ageMs = 0,
    ...changes
  }: Partial<MemberObservation> & {
    pair?: string | null;
    ageMs?: number;
  } = {},
): SeenMember {
  const id = `member-${name}` as ProcessId;
  return {
    member: {
      id,
      name,
      serviceId: "svc-1" as ServiceId,
      hostId: `host-${name}` as HostId,
      variables: {},
      dnsNames: [],
      pair,
      enabled: true,
      trusts: ["aut-1" as AuthorityId],
    },
    observation: {
      id,
      installed: null,
      accepts: [],
      status,
      changedFiles: [],
      findings: [],
      problem: null,
      ...changes,
    },
    receivedAtMs: nowMs - ageMs,
  };
}

type Role = HighAvailabilityStatus["NewRole"];

/** As Amlen's driver makes it of roles and counts: "PRIMARY/UNSYNC 2/1 1". */
export function pairStatus(text: string, changes: Partial<MemberStatus> = {}): MemberStatus {
  const [roles = "", counts = "", percent = "-1"] = text.split(" ");
  const [NewRole, OldRole] = roles.split("/") as [Role, Role];
  const [ActiveNodes = 0, SyncNodes = 0] = counts.split("/").map(Number);
  const isStopped = NewRole === "HADISABLED";
  return {
    role: NewRole === "PRIMARY" ? "active" : NewRole === "STANDBY" ? "standby" : "unknown",
    members: 1,
    connected: Math.max(0, ActiveNodes - 1),
    synchronised: ActiveNodes === 2 && SyncNodes === 2 && percent === "-1",
    maintenance: isStopped,
    errorCode: 0,
    highAvailability: {
      Status: isStopped ? "Inactive" : "Active",
      Enabled: true,
      Group: "pair",
      NewRole,
      OldRole,
      ActiveNodes,
      SyncNodes,
      PrimaryLastTime: "",
      PctSyncCompletion: Number(percent),
      ReasonCode: 0,
      RemoteServerName: "",
    },
    ...changes,
  };
}

/** Of a member of a cluster, as its driver makes it. */
export function clusterStatus(
  connected: number,
  disconnected: number,
  changes: Partial<ClusterStatus> = {},
): MemberStatus {
  const Status = "Active";
  const cluster = { Status, Name: "cluster", Enabled: true, ...changes };
  return {
    role: null,
    members: connected + disconnected,
    connected,
    synchronised: cluster.Status === "Active",
    cluster: { ...cluster, ConnectedServers: connected, DisconnectedServers: disconnected },
  };
}

/** The two members of a good pair. */
export const primary = pairStatus("PRIMARY/PRIMARY 2/2");
export const standby = pairStatus("STANDBY/UNSYNC 2/2");
