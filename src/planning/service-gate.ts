import type { AuthorityId, HostId, ProcessId, ServiceId } from "../kit/index.ts";
import {
  membersOf,
  serviceVerdict,
  wantedRole,
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

/** A server that serves nobody by its own decision, as Amlen after DiscoveryTimeout, waits for a person. */
function givenUp(
  { id, name, hostId }: Member,
  seen: MemberObservation | undefined,
): Finding | null {
  if (seen?.status?.maintenance !== true) return null;
  const { errorCode = 0 } = seen.status;
  const error = errorCode === 0 ? "" : ` with error ${errorCode}`;
  return blocker(
    "member-in-maintenance",
    id,
    `${name} (${id}) on ${hostId} has stopped${error} and waits in maintenance: remove the cause, then restart it`,
  );
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
      const given = givenUp(member, seen);
      if (given !== null) return [given];
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

/**
 * What keeps a service from being as it should: every member there, as desired, in the role that is
 * desired of it, and the verdict over all of them good.
 */
export function illnessOf(evidence: Evidence, id: ServiceId, isWaived: IsWaived): Finding[] {
  const { topology, nowMs } = evidence.snapshot;
  const service = topology.services.find((each) => each.id === id);
  if (service === undefined) return [];
  const members = membersOf(topology, service).filter(
    ({ enabled, hostId }) => enabled && !isWaived(hostId),
  );
  const own = members.flatMap((member) => memberIllness(evidence, service, member));
  if (own.length > 0) return own;
  const seen = members.map((member) => ({
    member,
    observation: withoutFindings(observedMember(evidence, member)),
    receivedAtMs: evidence.hostOf.get(member.hostId)?.receivedAtMs ?? null,
  }));
  return serviceVerdict(service, seen, nowMs)
    .findings.filter(({ severity }) => severity !== "info")
    .map((finding) => ({ ...finding, severity: "error" }));
}

/** What an examination found may have been there before, and be left for later: a person decides. */
function withoutFindings(seen: MemberObservation | undefined): MemberObservation | null {
  return seen === undefined ? null : { ...seen, findings: [] };
}

function memberIllness(evidence: Evidence, service: Service, member: Member): Finding[] {
  const { id, name, hostId } = member;
  const say = (code: string, text: string): Finding[] => [
    blocker(code, id, `${name} (${id}) of service ${service.name} on ${hostId} ${text}`),
  ];
  if (isSilent(evidence.snapshot, evidence.hostOf.get(hostId)))
    return say("member-silent", "is not heard of: its host is not connected");
  const seen = observedMember(evidence, member);
  if (evidence.processOf.get(id)?.state !== "running" || seen === undefined)
    return say("member-not-running", `does not run${problemOf(seen, (problem) => `: ${problem}`)}`);
  if (seen.problem !== null)
    return say("member-not-as-desired", `is not as desired: ${seen.problem}`);
  const wanted = wantedRole(service, member)?.role;
  const role = seen.status?.role ?? "unknown";
  return wanted === undefined || role === wanted
    ? []
    : say("member-not-in-role", `is ${role}, not ${wanted}`);
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
