import type { Cluster } from "./cluster.ts";
import type { PairView } from "./high-availability.ts";
import { reasons } from "./role-decision.ts";

/** State numbers of the Server block. */
const serverStates = {
  1: "Running (production)",
  2: "Stopping",
  9: "Running (maintenance)",
  10: "Standby",
  11: "StoreStarting",
} as const;

export type ServerState = keyof typeof serverStates;

export interface ServerFacts {
  readonly name: string;
  readonly uid: string;
  readonly state: ServerState;
  readonly errorCode: number;
  readonly nowMs: number;
  readonly upSeconds: number;
}

/** The Server block of GET /service/status. */
export function serverStatus(server: ServerFacts): Record<string, unknown> {
  const { name, uid, state, errorCode, nowMs, upSeconds } = server;
  return {
    Name: name,
    UID: uid,
    Status: state === 2 ? "Stopping" : "Running",
    State: state,
    StateDescription: serverStates[state],
    ServerTime: new Date(nowMs).toISOString(),
    UpTimeSeconds: Math.floor(upSeconds),
    Version: "simulator",
    ErrorCode: errorCode,
    ErrorMessage: errorMessages[errorCode] ?? "",
  };
}

const errorMessages: Readonly<Record<number, string>> = {
  506: "The certificates could not be synchronised.",
  509: "The store had an error of high availability.",
  510: "A value of high availability is not valid.",
};

export interface PairFacts {
  /** As configured by now, in force or not. */
  readonly enabled: boolean;
  readonly group: string;
  readonly view: PairView;
  readonly maintenance: boolean;
  readonly nowMs: number;
}

/** The HighAvailability block. */
export function highAvailabilityStatus(pair: PairFacts): Record<string, unknown> {
  const { enabled, group, view, maintenance, nowMs } = pair;
  if (!enabled && view.activeNodes === 0) return { Status: "Inactive", Enabled: false };
  const { newRole, oldRole, reasonCode, reasonParameter } = view;
  return {
    Status: newRole === "HADISABLED" ? "Inactive" : "Active",
    Enabled: enabled,
    Group: group,
    NewRole: maintenance ? "UNKNOWN" : newRole,
    OldRole: maintenance ? "UNKNOWN" : oldRole,
    ActiveNodes: view.activeNodes,
    SyncNodes: view.syncNodes,
    // When this node was last seen as primary: while it is, that is now.
    PrimaryLastTime: newRole === "PRIMARY" ? new Date(nowMs).toISOString().slice(0, -5) + "Z" : "",
    PctSyncCompletion: view.pctSyncCompletion,
    ReasonCode: reasonCode,
    ...(reasonCode === 0 ? {} : { ReasonString: `${reasonParameter} - ${reasons[reasonCode]}` }),
    RemoteServerName: view.remoteServerName,
  };
}

export interface ClusterFacts {
  /** As configured by now, in force or not. */
  readonly enabled: boolean;
  readonly name: string;
  /** Undefined: not started. */
  readonly cluster: Cluster | undefined;
  readonly state: ServerState;
}

/** The Cluster block. Its counts are of other servers only. */
export function clusterStatus({ enabled, name, cluster, state }: ClusterFacts): object {
  if (!enabled) return { Status: "Inactive", Enabled: false };
  if (state === 9) return { Status: "Unavailable", Enabled: true };
  const waiting = state === 10 ? "Standby" : "Initializing";
  const members = cluster?.members ?? [];
  const connected = members.filter(({ status }) => status === "Active").length;
  return {
    Status: cluster?.state ?? waiting,
    Name: name,
    Enabled: true,
    ConnectedServers: connected,
    DisconnectedServers: members.length - connected,
  };
}

/** GET /monitor/Cluster: one element for each other server. */
export function clusterMonitor(cluster: Cluster | undefined): object[] {
  return (cluster?.members ?? []).map(({ known, status, statusMs }) => ({
    ServerName: known.name,
    ServerUID: known.uid,
    Status: status,
    StatusTime: new Date(statusMs).toISOString(),
    Health: status === "Active" ? "Green" : "Unknown",
    HAStatus: "Unknown",
  }));
}
