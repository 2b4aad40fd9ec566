/** What a member says of itself; null where its driver does not say where to read it. */
export interface MemberStatus {
  readonly role: "active" | "standby" | "unknown" | null;
  /** Members that it knows, and those that it is connected with, as its server counts them. */
  readonly members: number | null;
  readonly connected: number | null;
  readonly synchronised: boolean | null;
  /** Calls that it has answered since its start, and those that failed: how a canary is compared. */
  readonly operations?: number | null;
  readonly failures?: number | null;
  /** It runs and serves nobody, by its own decision or an administrator's (Amlen's maintenance mode). */
  readonly maintenance?: boolean;
  /** The error with which it stopped, as its server numbers them; 0 or absent: none. */
  readonly errorCode?: number;
  /** Amlen's own documents, where the server is one. */
  readonly highAvailability?: HighAvailabilityStatus;
  readonly cluster?: ClusterStatus;
}

/** Role of a member of a pair, in the documented words (Amlen's status `HighAvailability`). */
export type PairRole = "UNSYNC" | "PRIMARY" | "STANDBY" | "UNSYNC_ERROR" | "HADISABLED" | "UNKNOWN";

/** The documented status of a pair, from one member's point of view. */
export interface HighAvailabilityStatus {
  readonly Status: "Active" | "Inactive";
  readonly Enabled: boolean;
  readonly Group: string;
  readonly NewRole: PairRole;
  readonly OldRole: PairRole;
  readonly ActiveNodes: number;
  readonly SyncNodes: number;
  readonly PrimaryLastTime: string;
  /** -1: it is not synchronising, or is not the primary. */
  readonly PctSyncCompletion: number;
  readonly ReasonCode: number;
  readonly ReasonString?: string;
  readonly RemoteServerName: string;
}

/** The documented status of a cluster, from one member's point of view; counts exclude itself. */
export interface ClusterStatus {
  readonly Status: string;
  readonly Name: string;
  readonly Enabled: boolean;
  readonly ConnectedServers: number;
  readonly DisconnectedServers: number;
}
