import type { Finding } from "./finding.ts";
import { unitsOf, type Judged, type MemberReport } from "./member-report.ts";
import { pairFindings } from "./pair-verdict.ts";
import type { Service } from "./service.ts";

/** Servers of a cluster that have to agree: more than half. */
function quorumOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** A server of the cluster: a member, or a pair whose active member speaks for it. */
interface Unit {
  readonly name: string;
  readonly state: MemberReport["state"];
  /** Who speaks for it; null where nobody does. */
  readonly speaker: MemberReport | null;
}

/** Judges the members of a cluster together, pairs among them as one server each. */
export function clusterFindings(service: Service, reports: readonly MemberReport[]): Judged {
  const ofPairs: Finding[] = [];
  const units = unitsOf(reports).map(({ members }): Unit => {
    const [only] = members;
    if (members.length === 1 && only !== undefined)
      return { name: only.member.name, state: only.state, speaker: only };
    const name = `pair ${only?.member.pair ?? ""} of service ${service.name}`;
    const { findings, serving } = pairFindings(service, name, members);
    ofPairs.push(...findings);
    const speaker = members.find(({ state, status }) => isActive(state, status)) ?? null;
    const state = serving.atMost === 0 ? "stopped" : speaker === null ? "silent" : "serving";
    return { name, state, speaker };
  });
  const quorum = quorumOf(units.length);
  const speaking = units.filter(({ state }) => state === "serving");
  const inMajority = speaking.filter(({ speaker }) => {
    const connected = speaker?.status?.connected ?? null;
    return connected === null || connected + 1 >= quorum;
  });
  const silent = units.filter(({ state }) => state === "silent").length;
  const cluster: Cluster = { service, units, speaking, quorum };
  const serving = { atLeast: inMajority.length, atMost: inMajority.length + silent };
  const findings = [...ofPairs, ...checks.flatMap((check) => check(cluster) ?? [])];
  if (serving.atLeast < quorum)
    findings.push(
      finding(
        cluster,
        "no-quorum",
        "error",
        `${inMajority.length} of ${units.length} servers of ${service.name} are known to be with a majority; ${quorum} have to be`,
      ),
    );
  return { findings, serving, needed: quorum };
}

function isActive(state: MemberReport["state"], status: MemberReport["status"]): boolean {
  return state === "serving" && status?.role === "active";
}

interface Cluster {
  readonly service: Service;
  readonly units: readonly Unit[];
  readonly speaking: readonly Unit[];
  readonly quorum: number;
}

function finding(
  { service }: Cluster,
  code: string,
  severity: Finding["severity"],
  text: string,
): Finding {
  return { code, severity, subject: service.id, text };
}

const checks: readonly ((cluster: Cluster) => Finding | Finding[] | undefined)[] = [
  connections,
  (cluster) => {
    const names = new Set(
      cluster.speaking.flatMap(({ speaker }) => speaker?.status?.cluster?.Name ?? []),
    );
    return names.size > 1
      ? finding(
          cluster,
          "cluster-names-differ",
          "error",
          `the members of ${cluster.service.name} are in the clusters ${[...names].join(" and ")}: give all the same ClusterName`,
        )
      : undefined;
  },
  (cluster) =>
    cluster.speaking.flatMap(({ name, speaker }) => {
      const state = speaker?.status?.cluster?.Status ?? "Active";
      return state === "Active"
        ? []
        : [
            finding(
              cluster,
              "cluster-not-active",
              "warning",
              `${name} of ${cluster.service.name} has the status ${state} in its cluster`,
            ),
          ];
    }),
  (cluster) =>
    cluster.speaking
      .filter(({ speaker }) => speaker?.status?.synchronised === false)
      .filter(
        ({ speaker }) => speaker?.member.pair === null && speaker.status?.cluster === undefined,
      )
      .map(({ name }) =>
        finding(
          cluster,
          "not-synchronised",
          "warning",
          `${name} of ${cluster.service.name} is not in step with the others`,
        ),
      ),
  leaders,
];

/** Counts exclude the member itself: in a cluster of three, each is connected with two. */
function connections(cluster: Cluster): Finding[] {
  const { service, units, speaking } = cluster;
  const expected = units.length - 1;
  return speaking.flatMap(({ name, speaker }) => {
    const status = speaker?.status ?? null;
    const connected = status?.connected ?? null;
    if (connected === null) return [];
    const known = status?.cluster === undefined ? null : status.members;
    const say = (code: string, severity: Finding["severity"], text: string): Finding =>
      finding(cluster, code, severity, `${name} of ${service.name} ${text}`);
    if (expected > 0 && connected === 0 && (known ?? 0) === 0)
      return [
        say(
          "member-alone",
          "error",
          "is connected with nobody and knows nobody: another name of the cluster, or discovery does not reach the others",
        ),
      ];
    if (connected < expected)
      return [
        say(
          "members-disconnected",
          "error",
          `is connected with ${connected} of ${expected} other servers: different credentials or CAs, or they are down; \`gatehouse doctor\` tells`,
        ),
      ];
    return (known ?? connected) > expected
      ? [
          say(
            "unknown-servers",
            "warning",
            `knows ${known ?? connected} other servers, and the service names ${expected}: add them, or remove those that are gone`,
          ),
        ]
      : [];
  });
}

/** Where the servers of a cluster choose a leader among themselves. */
function leaders(cluster: Cluster): Finding | undefined {
  const { service, speaking, units } = cluster;
  const voters = speaking.filter(
    ({ speaker }) => speaker?.member.pair === null && (speaker.status?.role ?? null) !== null,
  );
  const leading = voters.filter(({ speaker }) => speaker?.status?.role === "active");
  if (leading.length > 1)
    return finding(
      cluster,
      "double-leader",
      "error",
      `${leading.map(({ name }) => name).join(" and ")} of ${service.name} each say that they lead: the network between them is cut, or one is about to notice`,
    );
  return leading.length === 0 && voters.length === units.length && units.length > 0
    ? finding(cluster, "no-leader", "error", `nobody leads ${service.name}`)
    : undefined;
}
