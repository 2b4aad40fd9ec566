import {
  quietReport,
  reportsOf,
  unitsOf,
  type MemberReport,
  type SeenMember,
} from "./member-report.ts";
import type { ClusterStatus, HighAvailabilityStatus, PairRole } from "./member-status.ts";
import type { Service } from "./service.ts";

/** The documented status of one member, from its own point of view. */
export interface DocumentedMember {
  readonly name: string;
  /** For a member of a pair. */
  readonly HighAvailability?: HighAvailabilityStatus;
  /** For a member of a cluster. */
  readonly Cluster?: ClusterStatus;
}

/**
 * The status of every member in Amlen's documented shape: the server's own documents where it has
 * them, else what they would be. Counts of a cluster exclude the member itself, as Amlen's do; those of
 * a pair include it. A member that is not heard of, or does not answer, is Inactive.
 */
export function documentedStatus(
  service: Service,
  members: readonly SeenMember[],
  nowMs: number,
): DocumentedMember[] {
  const reports = reportsOf(service, members, nowMs);
  const units = unitsOf(reports);
  return reports.map((report) => {
    const { member, status } = report;
    const partner = reports.find(
      (other) =>
        other !== report && (service.shape === "pair" || other.member.pair === member.pair),
    );
    const isPaired =
      service.shape === "pair" || (service.shape === "cluster" && member.pair !== null);
    const group = member.pair ?? service.name;
    return {
      name: member.name,
      ...(isPaired
        ? {
            HighAvailability:
              status?.highAvailability ?? pairDocument(report, group, partner, nowMs),
          }
        : {}),
      ...(service.shape === "cluster"
        ? { Cluster: status?.cluster ?? clusterDocument(report, service.name, units.length - 1) }
        : {}),
    };
  });
}

function pairDocument(
  report: MemberReport,
  group: string,
  partner: MemberReport | undefined,
  nowMs: number,
): HighAvailabilityStatus {
  const { status, member } = report;
  const answers = !quietReport(report);
  const role = answers ? pairRole(report) : "UNKNOWN";
  const hasRole = role === "PRIMARY" || role === "STANDBY";
  const connected = status?.connected ?? (status?.synchronised === true ? 1 : 0);
  const activeNodes = hasRole ? 1 + Math.min(1, connected) : 0;
  const inStep = status?.synchronised === true;
  return {
    Status: answers ? "Active" : "Inactive",
    Enabled: member.enabled,
    Group: group,
    NewRole: role,
    OldRole: role,
    ActiveNodes: activeNodes,
    SyncNodes: inStep ? activeNodes : Math.min(activeNodes, role === "PRIMARY" ? 1 : 0),
    PrimaryLastTime:
      role === "PRIMARY"
        ? `${new Date(nowMs).toISOString().slice(0, "2026-11-23T00:00:00".length)}Z`
        : "",
    PctSyncCompletion: -1,
    ReasonCode: 0,
    RemoteServerName: activeNodes > 1 ? (partner?.member.name ?? "") : "",
  };
}

function pairRole({ status }: MemberReport): PairRole {
  if (status?.role === "active") return "PRIMARY";
  if (status?.role !== "standby") return "UNKNOWN";
  return status.synchronised === false ? "UNSYNC" : "STANDBY";
}

function clusterDocument(report: MemberReport, name: string, others: number): ClusterStatus {
  const answers = !quietReport(report);
  const connected = answers ? Math.min(others, report.status?.connected ?? 0) : 0;
  return {
    Status: answers ? "Active" : "Unavailable",
    Name: name,
    Enabled: report.member.enabled,
    ConnectedServers: connected,
    DisconnectedServers: others - connected,
  };
}
