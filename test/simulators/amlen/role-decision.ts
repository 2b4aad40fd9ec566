import type { StoreState } from "./server-folder.ts";

/** The roles in status; TERM and others are reported as UNKNOWN. */
export type Role = "UNSYNC" | "PRIMARY" | "STANDBY" | "UNSYNC_ERROR" | "HADISABLED" | "UNKNOWN";

/** ReasonCode and the name of each in ReasonString. */
export const reasons = {
  0: "",
  1: "CONFIG_ERROR",
  2: "DISCOVERY_TIMEOUT",
  3: "SPLIT_BRAIN",
  4: "SYNC_ERROR",
  5: "UNRESOLVED_STORE",
  6: "RESYNC_ERROR",
  7: "GROUP_MISMATCH",
  8: "UNKNOWN",
} as const;

export type ReasonCode = keyof typeof reasons;

/** What a member says of itself when two find each other. */
export interface PairHello {
  readonly type: "hello";
  readonly role: Role;
  readonly nodeId: string;
  readonly group: string;
  readonly startupMode: "AutoDetect" | "StandAlone";
  readonly preferredPrimary: boolean;
  readonly disableAutoResync: boolean;
  readonly splitBrainPolicy: number;
  /** Client connections, which decide a split-brain under policy 1. */
  readonly connections: number;
  readonly heartbeatTimeout: number;
  readonly store: StoreState;
  /** Settings that must be the same on both, by the name that a reason gives. */
  readonly mustMatch: Readonly<Record<string, string | number | boolean>>;
  readonly serverName: string;
  readonly replication: { readonly host: string; readonly port: number };
}

/**
 * What a member does after it heard the other one: `alone` stays the primary it is while the other
 * fails; `restart-clean` is the loser of a split-brain under policy 1.
 */
export type Decision =
  | { readonly outcome: "primary" | "standby" | "alone" | "restart-clean" }
  | { readonly outcome: "error"; readonly reason: ReasonCode; readonly parameter: string };

/** Both sides come to decisions that fit each other, each with the same two hellos. */
export function decideRole(me: PairHello, peer: PairHello): Decision {
  if (me.role === "PRIMARY" && peer.role === "PRIMARY") return decideSplitBrain(me, peer);
  const problem = pairProblem(me, peer);
  if (problem !== undefined) {
    return me.role === "PRIMARY" ? { outcome: "alone" } : { outcome: "error", ...problem };
  }
  if (me.role === "PRIMARY") return { outcome: "primary" };
  if (peer.role === "PRIMARY") return { outcome: "standby" };
  return { outcome: isPreferred(me, peer) ? "primary" : "standby" };
}

interface Problem {
  readonly reason: ReasonCode;
  readonly parameter: string;
}

/** Why the two make no pair, the same from both sides. */
function pairProblem(me: PairHello, peer: PairHello): Problem | undefined {
  if (me.group !== peer.group) return { reason: 7, parameter: "HA.Group" };
  for (const [name, value] of Object.entries(me.mustMatch)) {
    if (peer.mustMatch[name] !== value) return { reason: 1, parameter: name };
  }
  const joining = [me, peer].filter(({ role }) => role !== "PRIMARY");
  if (joining.some(({ startupMode }) => startupMode === "StandAlone")) {
    return { reason: 3, parameter: "" };
  }
  if (joining.length === 1) {
    return joining[0]?.disableAutoResync === true ? { reason: 6, parameter: "" } : undefined;
  }
  if (me.store.partial && peer.store.partial) return { reason: 4, parameter: "" };
  const bothHaveData = hasData(me) && hasData(peer);
  if (bothHaveData && me.store.lineage !== peer.store.lineage) return { reason: 5, parameter: "" };
  return undefined;
}

/** Of two that are new: which one becomes the primary. */
function isPreferred(me: PairHello, peer: PairHello): boolean {
  const orders: ((hello: PairHello) => number)[] = [
    (hello) => Number(!hello.store.partial),
    (hello) => Number(hasData(hello)),
    (hello) => (hasData(me) && hasData(peer) ? hello.store.session : 0),
    (hello) => (hasData(me) && hasData(peer) ? Number(hello.store.wasPrimary) : 0),
    (hello) => Number(hello.preferredPrimary),
    (hello) => (hello.nodeId > (hello === me ? peer : me).nodeId ? 1 : 0),
  ];
  for (const order of orders) {
    if (order(me) !== order(peer)) return order(me) > order(peer);
  }
  return false;
}

function hasData({ store }: PairHello): boolean {
  return !store.empty;
}

/** Policy 0, or two policies: both stop. Policy 1: the one with more connections stays. */
function decideSplitBrain(me: PairHello, peer: PairHello): Decision {
  if (me.splitBrainPolicy !== 1 || peer.splitBrainPolicy !== 1) {
    return { outcome: "error", reason: 3, parameter: "" };
  }
  const difference = me.connections - peer.connections;
  const stays = difference === 0 ? me.nodeId > peer.nodeId : difference > 0;
  return { outcome: stays ? "alone" : "restart-clean" };
}
