import type { AuthorityId, HostId, ProcessId, ServiceId } from "../kit/index.ts";
import {
  membersOf,
  type Finding,
  type Member,
  type MemberObservation,
  type Service,
} from "../domain/index.ts";
import { isSilent, type Evidence } from "./snapshot.ts";

type IsWaived = (host: HostId) => boolean;

function blocker(code: string, subject: string, text: string): Finding {
  return { code, severity: "error", subject, text };
}

function observedMember(
  { hostOf }: Evidence,
  { id, hostId }: Member,
): MemberObservation | undefined {
  return hostOf.get(hostId)?.members?.find((each) => each.id === id);
}

function problemOf(seen: MemberObservation | undefined, text: (problem: string) => string): string {
  return seen === undefined || seen.problem === null ? "" : text(seen.problem);
}

/** Members whose servers do not use yet what is desired of them, or were not proven to. */
export function trustOfMembers(
  evidence: Evidence,
  of: { readonly members: readonly ProcessId[]; readonly proven: readonly AuthorityId[] },
  isWaived: IsWaived,
): Finding[] {
  const { topology } = evidence.snapshot;
  return topology.members
    .filter(({ id, hostId, enabled }) => enabled && of.members.includes(id) && !isWaived(hostId))
    .flatMap((member) => {
      const { id, name, trusts } = member;
      const seen = observedMember(evidence, member);
      const why = problemOf(seen, (problem) => ` (${problem})`);
      const used = seen?.installed?.trusts ?? [];
      if (used.length !== trusts.length || trusts.some((each) => !used.includes(each)))
        return [
          blocker(
            "trust-not-installed",
            id,
            `${name} (${id}) on ${member.hostId} does not use the CAs ${trusts.join(" and ")} yet${why}`,
          ),
        ];
      return of.proven
        .filter((each) => seen?.accepts.includes(each) !== true)
        .map((each) =>
          blocker(
            "trust-not-proven",
            id,
            `${name} (${id}) on ${member.hostId} has not accepted a probe certificate of ${each} yet${why}`,
          ),
        );
    });
}

/** What keeps a service from being as it should: every member there, in its role, and in step. */
export function illnessOf(evidence: Evidence, id: ServiceId, isWaived: IsWaived): Finding[] {
  const { snapshot, hostOf } = evidence;
  const service = snapshot.topology.services.find((each) => each.id === id);
  if (service === undefined) return [];
  const members = membersOf(snapshot.topology, service).filter(
    ({ enabled, hostId }) => enabled && !isWaived(hostId),
  );
  return members.flatMap((member) => {
    const { id: process, name, hostId } = member;
    const host = hostOf.get(hostId);
    const say = (code: string, text: string): Finding[] => [
      blocker(
        code,
        process,
        `${name} (${process}) of service ${service.name} on ${hostId} ${text}`,
      ),
    ];
    if (isSilent(snapshot, host))
      return say("member-silent", "is not heard of: its host is not connected");
    const seen = observedMember(evidence, member);
    if (evidence.processOf.get(process)?.state !== "running" || seen === undefined)
      return say(
        "member-not-running",
        `does not run${problemOf(seen, (problem) => `: ${problem}`)}`,
      );
    if (seen.problem !== null)
      return say("member-not-as-desired", `is not as desired: ${seen.problem}`);
    const wrong = roleProblem(service, member, seen) ?? stepProblem(service, members.length, seen);
    return wrong === null ? [] : say("member-not-well", wrong);
  });
}

function roleProblem(
  { shape, active, driver }: Service,
  { id }: Member,
  { status }: MemberObservation,
): string | null {
  if (shape !== "pair" || driver.traits.roles === "none") return null;
  if (status === null) return "does not say what it is";
  if (active === null) return status.role === "unknown" ? "has no role" : null;
  const wanted = active.member === id ? "active" : "standby";
  return status.role === wanted ? null : `is ${status.role ?? "without a role"}, not ${wanted}`;
}

function stepProblem(
  { shape }: Service,
  count: number,
  { status }: MemberObservation,
): string | null {
  if (status?.synchronised === false) return "is not in step with the others";
  const connected = status?.connected ?? null;
  return shape === "cluster" && connected !== null && connected < count - 1
    ? `is connected with ${connected} of ${count - 1} other members`
    : null;
}

/** What keeps a cluster from the documented status in the middle of a change: counted by a member that comes last. */
export function notDisconnected(
  evidence: Evidence,
  { watcher, count }: { readonly watcher: ProcessId; readonly count: number },
): Finding[] {
  const member = evidence.snapshot.topology.members.find(({ id }) => id === watcher);
  const cluster = member && observedMember(evidence, member)?.status?.cluster;
  // A server without this status has nothing to be watched by.
  if (member === undefined || cluster === undefined || cluster.DisconnectedServers === count)
    return [];
  return [
    blocker(
      "cluster-not-as-documented",
      watcher,
      `${member.name} (${watcher}) sees ${cluster.DisconnectedServers} members as disconnected, where the ${count} that are changed should be`,
    ),
  ];
}
