import { clusterFindings } from "./cluster-verdict.ts";
import type { Finding } from "./finding.ts";
import {
  reportsOf,
  servingOf,
  type Judged,
  type MemberReport,
  type SeenMember,
  type Serving,
} from "./member-report.ts";
import { pairFindings } from "./pair-verdict.ts";
import type { Service } from "./service.ts";

/**
 * `good`: every member says so and no two contradict each other; `degraded`: it serves with less than it should have; `down`:
 * nobody serves, or not enough; `unknown`: members that were not heard of decide which it is.
 */
export type ServiceHealth = "good" | "degraded" | "down" | "unknown";

export interface ServiceVerdict {
  readonly health: ServiceHealth;
  readonly findings: readonly Finding[];
}

/**
 * One verdict over all members of a service, from the newest report of each. One member's word never
 * decides: whatever others say, a service is not good while one of its members is silent, has
 * stopped, or sees less than it should.
 */
export function serviceVerdict(
  service: Service,
  members: readonly SeenMember[],
  nowMs: number,
): ServiceVerdict {
  const reports = reportsOf(
    service,
    members.filter(({ member }) => member.enabled),
    nowMs,
  );
  const { findings: ofShape, serving, needed } = judge[service.shape](service, reports);
  const examined = reports.flatMap((report) => report.examined);
  const findings = [...reports.flatMap((report) => report.findings), ...ofShape];
  const isWell =
    findings.every(({ severity }) => severity === "info") &&
    examined.every(({ severity }) => severity !== "error");
  return { health: healthOf(isWell, serving, needed), findings: [...examined, ...findings] };
}

function healthOf(isWell: boolean, serving: Serving, needed: number): ServiceHealth {
  if (serving.atMost < needed) return "down";
  if (serving.atLeast < needed) return "unknown";
  return isWell ? "good" : "degraded";
}

const judge: Readonly<
  Record<Service["shape"], (service: Service, reports: readonly MemberReport[]) => Judged>
> = {
  replicas: (_, reports) => ({ findings: [], serving: servingOf(reports), needed: 1 }),
  pair: (service, reports) => pairFindings(service, service.name, reports),
  cluster: (service, reports) => clusterFindings(service, reports),
};
