import type { Finding } from "./finding.ts";
import { servingOf, type Judged, type MemberReport } from "./member-report.ts";
import type { Service } from "./service.ts";

/** Judges the two members of a pair together; `name` is the service's, or the pair's in a cluster. */
export function pairFindings(
  service: Service,
  name: string,
  reports: readonly MemberReport[],
): Judged {
  if (service.driver.traits.roles === "none")
    return { findings: [], serving: servingOf(reports), needed: 1 };
  const has = (role: string): MemberReport[] =>
    reports.filter(({ state, status }) => state === "serving" && status?.role === role);
  const active = has("active");
  const silent = reports.filter(({ state }) => state === "silent");
  const pair: Pair = { service, name, reports, active, standby: has("standby"), silent };
  const findings = checks.flatMap((check) => check(pair) ?? []);
  return {
    findings,
    // One that is silent may be the active one.
    serving: {
      atLeast: Math.min(active.length, 1),
      atMost: active.length + silent.length > 0 ? 1 : 0,
    },
    needed: 1,
  };
}

interface Pair {
  readonly service: Service;
  readonly name: string;
  readonly reports: readonly MemberReport[];
  readonly active: readonly MemberReport[];
  readonly standby: readonly MemberReport[];
  readonly silent: readonly MemberReport[];
}

const namesOf = (reports: readonly MemberReport[]): string =>
  reports.map(({ member }) => member.name).join(" and ");

function finding(
  { service }: Pair,
  code: string,
  severity: Finding["severity"],
  text: string,
): Finding {
  return { code, severity, subject: service.id, text };
}

const checks: readonly ((pair: Pair) => Finding | Finding[] | undefined)[] = [
  (pair) =>
    pair.active.length > 1
      ? finding(
          pair,
          "double-primary",
          "error",
          `${namesOf(pair.active)} of ${pair.name} are both active, each by its own account: stop one before their networks meet again, its data is lost`,
        )
      : undefined,
  (pair) =>
    pair.active.length === 0
      ? finding(
          pair,
          "no-primary",
          "error",
          pair.silent.length === 0
            ? `no member of ${pair.name} is active: ${pair.reports.map(roleText).join(", ")}`
            : `no member of ${pair.name} that was heard of is active: ${namesOf(pair.silent)} may be`,
        )
      : undefined,
  (pair) =>
    pair.reports
      .filter(({ state, status }) => state === "serving" && isOutOfStep(status))
      .map(({ member, status }) =>
        finding(
          pair,
          "not-synchronised",
          "warning",
          `${member.name} of ${pair.name}, ${roleText({ member, status })}, is not in step with the other member${progressText(status)}`,
        ),
      ),
  notConnected,
  viewsDiffer,
  (pair) => {
    const groups = new Set(
      pair.reports.flatMap(({ status }) => status?.highAvailability?.Group ?? []),
    );
    return groups.size > 1
      ? finding(
          pair,
          "pair-groups-differ",
          "error",
          `the members of ${pair.name} are in the groups ${[...groups].join(" and ")}: give both the same Group`,
        )
      : undefined;
  },
  (pair) =>
    pair.reports.flatMap(({ member, status }) => {
      const { ReasonCode = 0, ReasonString } = status?.highAvailability ?? {};
      return ReasonCode === 0
        ? []
        : [
            finding(
              pair,
              "pair-reason",
              "error",
              `${member.name} of ${pair.name} gives the reason ${ReasonCode}${ReasonString === undefined ? "" : ` (${ReasonString})`}`,
            ),
          ];
    }),
  wrongRoles,
];

function isOutOfStep(status: MemberReport["status"]): boolean {
  return status?.synchronised === false || status?.connected === 0;
}

function roleText({ member, status }: Pick<MemberReport, "member" | "status">): string {
  const role = status?.highAvailability?.NewRole ?? status?.role ?? "without a role";
  return `${member.name} is ${role}`;
}

function progressText(status: MemberReport["status"]): string {
  const percent = status?.highAvailability?.PctSyncCompletion ?? -1;
  return percent > 0 ? ` (${percent} %)` : "";
}

/** One serves alone and the other, which runs, searches: they do not reach or do not trust each other. */
function notConnected(pair: Pair): Finding | undefined {
  const [active] = pair.active;
  const searching = pair.reports.filter(
    ({ state, status }) => state === "serving" && status?.role === "unknown",
  );
  const isAlone = active !== undefined && active.status?.connected === 0;
  return isAlone && searching.length > 0
    ? finding(
        pair,
        "pair-not-connected",
        "error",
        `${namesOf(searching)} of ${pair.name} does not find ${namesOf(pair.active)}, which serves alone: different credentials or CAs, which no status shows, or no network between them; \`gatehouse doctor\` tells`,
      )
    : undefined;
}

function viewsDiffer(pair: Pair): Finding | undefined {
  const views = pair.reports.flatMap(({ state, status }) => {
    const view = status?.highAvailability;
    return state !== "serving" || view === undefined
      ? []
      : [`${view.ActiveNodes}/${view.SyncNodes}`];
  });
  return new Set(views).size > 1
    ? finding(
        pair,
        "pair-views-differ",
        "warning",
        `the members of ${pair.name} count differently: ${pair.reports.map(viewText).join(", ")}`,
      )
    : undefined;
}

function viewText({ member, status }: MemberReport): string {
  const view = status?.highAvailability;
  return view === undefined
    ? `${member.name} nothing`
    : `${member.name} ${view.ActiveNodes} active and ${view.SyncNodes} in step`;
}

/** Where Gatehouse decides who is active, and another is; or nobody is there to take over. */
function wrongRoles(pair: Pair): Finding | undefined {
  const { service, active, standby, silent } = pair;
  const [found, second] = active;
  if (found === undefined || second !== undefined) return undefined;
  const wanted = service.active?.member ?? found.member.id;
  if (found.member.id !== wanted)
    return finding(
      pair,
      "role-not-as-desired",
      "warning",
      `${found.member.name} of ${pair.name} is active, and another member is to be`,
    );
  return standby.length === 0 && silent.length === 0
    ? finding(
        pair,
        "no-standby",
        "warning",
        `nobody stands by for ${found.member.name} of ${pair.name}`,
      )
    : undefined;
}
