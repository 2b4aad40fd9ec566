import type {
  ClusterStatus,
  HighAvailabilityStatus,
  MemberStatus,
  PairRole,
} from "../../domain/index.ts";
import { isDomainError } from "../../kit/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { adminPortOf, type AdminPort } from "./admin-port.ts";

/** GET /service/status, as far as it is used. */
export interface ServerReport {
  readonly server: {
    /** 1 production, 2 stopping, 9 maintenance, 10 standby, 11 starting its store. */
    readonly state: number;
    readonly errorCode: number;
    /** When the process started, as its own clock has it; NaN where it does not say. */
    readonly startedAtMs: number;
  };
  /** Null while high availability, or membership of a cluster, is off. */
  readonly highAvailability: HighAvailabilityStatus | null;
  readonly cluster: ClusterStatus | null;
}

export const serverState = { production: 1, stopping: 2, maintenance: 9, standby: 10 } as const;

/** Asks a server for all of its status. Throws as `AdminPort` does. */
export async function readReport(admin: AdminPort): Promise<ServerReport> {
  const answer = await admin.get("service/status");
  const server = objectIn(answer, "Server");
  return {
    server: {
      state: Number(server["State"] ?? 0),
      errorCode: Number(server["ErrorCode"] ?? 0),
      startedAtMs:
        Date.parse(String(server["ServerTime"])) - Number(server["UpTimeSeconds"]) * 1000,
    },
    highAvailability: pairOf(objectIn(answer, "HighAvailability")),
    cluster: clusterOf(objectIn(answer, "Cluster")),
  };
}

function objectIn(
  answer: Readonly<Record<string, unknown>>,
  name: string,
): Record<string, unknown> {
  const found = answer[name];
  return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
}

function pairOf(status: Record<string, unknown>): HighAvailabilityStatus | null {
  if (status["NewRole"] === undefined) return null;
  const text = (name: string): string => String(status[name] ?? "");
  const number = (name: string): number => Number(status[name] ?? 0);
  const role = (name: string): PairRole => (text(name) || "UNKNOWN") as PairRole;
  return {
    Status: status["Status"] === "Active" ? "Active" : "Inactive",
    Enabled: status["Enabled"] === true,
    Group: text("Group"),
    NewRole: role("NewRole"),
    OldRole: role("OldRole"),
    ActiveNodes: number("ActiveNodes"),
    SyncNodes: number("SyncNodes"),
    PrimaryLastTime: text("PrimaryLastTime"),
    PctSyncCompletion: number("PctSyncCompletion"),
    ReasonCode: number("ReasonCode"),
    ...(status["ReasonString"] === undefined ? {} : { ReasonString: text("ReasonString") }),
    RemoteServerName: text("RemoteServerName"),
  };
}

function clusterOf(status: Record<string, unknown>): ClusterStatus | null {
  if (status["Enabled"] !== true) return null;
  return {
    Status: String(status["Status"] ?? "Unknown"),
    Name: String(status["Name"] ?? ""),
    Enabled: true,
    ConnectedServers: Number(status["ConnectedServers"] ?? 0),
    DisconnectedServers: Number(status["DisconnectedServers"] ?? 0),
  };
}

/** A server's report as Gatehouse has the status of any member. */
function statusFrom({ server, highAvailability, cluster }: ServerReport): MemberStatus {
  const isStandby = highAvailability?.NewRole === "STANDBY";
  const inPair = highAvailability === null ? null : isInStep(highAvailability);
  const inCluster = cluster === null || isStandby ? null : cluster.Status === "Active";
  const counts =
    cluster === null
      ? pairCounts(highAvailability)
      : // A standby takes no part in the cluster, and knows of nobody there.
        isStandby
        ? { members: null, connected: null }
        : {
            members: cluster.ConnectedServers + cluster.DisconnectedServers,
            connected: cluster.ConnectedServers,
          };
  return {
    role: highAvailability === null ? null : roleFrom(highAvailability.NewRole),
    ...counts,
    synchronised: inPair === null ? inCluster : inPair && inCluster !== false,
    maintenance: server.state === serverState.maintenance,
    errorCode: server.errorCode,
    ...(highAvailability === null ? {} : { highAvailability }),
    ...(cluster === null ? {} : { cluster }),
  };
}

function roleFrom(role: PairRole): "active" | "standby" | "unknown" {
  if (role === "PRIMARY") return "active";
  return role === "STANDBY" ? "standby" : "unknown";
}

function pairCounts(
  pair: HighAvailabilityStatus | null,
): Pick<MemberStatus, "members" | "connected"> {
  if (pair === null) return { members: null, connected: null };
  return { members: 1, connected: Math.max(0, pair.ActiveNodes - 1) };
}

/** Both nodes are there and in synchronisation, and none is under way. */
function isInStep({ ActiveNodes, SyncNodes, PctSyncCompletion }: HighAvailabilityStatus): boolean {
  return ActiveNodes === 2 && SyncNodes === 2 && PctSyncCompletion === -1;
}

/** What the server of a member says of itself; null while it does not answer. */
export async function readMember(member: MemberAt): Promise<MemberStatus | null> {
  const admin = await adminPortOf(member);
  try {
    return statusFrom(await readReport(admin));
  } catch (error) {
    if (isDomainError(error, "unreachable") || isDomainError(error, "timeout")) return null;
    throw error;
  }
}
