import type { Finding } from "./finding.ts";
import type { MemberStatus } from "./member-status.ts";
import type { ProcessState } from "./observation.ts";
import type { Member, MemberObservation, Service } from "./service.ts";

/** A member and what was last heard of it. */
export interface SeenMember {
  readonly member: Member;
  /** Null: nothing yet. */
  readonly observation: MemberObservation | null;
  /** When `observation` was received; null with it. */
  readonly receivedAtMs: number | null;
  /** Of its process, with the observation; absent: not known. */
  readonly state?: ProcessState;
}

/** What one member says, as far as it can be believed by itself. */
export interface MemberReport {
  readonly member: Member;
  /** `silent`: its host was not heard of; `stopped`: it serves nobody; `serving`: by its own account. */
  readonly state: "silent" | "stopped" | "serving";
  /** Null where the server does not answer, or has no status to ask for. */
  readonly status: MemberStatus | null;
  readonly findings: readonly Finding[];
  /** What the examination on its host found: an error keeps it out, or will; a warning does not. */
  readonly examined: readonly Finding[];
}

/** A Node Manager reports every five seconds. */
const silentAfterMs = 15_000;

/** True if something was received lately enough to count. */
export function isRecent(receivedAtMs: number | null, nowMs: number): boolean {
  return receivedAtMs !== null && nowMs - receivedAtMs <= silentAfterMs;
}

/** Each member's own report, with what is wrong in it. */
export function reportsOf(
  service: Service,
  members: readonly SeenMember[],
  nowMs: number,
): MemberReport[] {
  return members.map((seen) => reportOf(service, seen, nowMs));
}

function reportOf(
  service: Service,
  { member, observation, receivedAtMs, state }: SeenMember,
  nowMs: number,
): MemberReport {
  const say = (code: string, severity: Finding["severity"], text: string): Finding => ({
    code,
    severity,
    subject: member.id,
    text: `${member.name} of service ${service.name} on ${member.hostId} ${text}`,
  });
  if (observation === null || !isRecent(receivedAtMs, nowMs)) {
    const silent = say("member-silent", "warning", "is not heard of: look at its host");
    return { member, state: "silent", status: null, findings: [silent], examined: [] };
  }
  const { status, problem, findings: examined } = observation;
  const findings: Finding[] = [];
  if (problem !== null)
    findings.push(say("member-not-as-desired", "warning", `is not as desired: ${problem}`));
  if (state === "failed" || state === "stopped") {
    findings.push(say("member-not-running", "error", "does not run: look at its server's log"));
    return { member, state: "stopped", status: null, findings, examined };
  }
  if (status === null && answersQuestions(service)) {
    findings.push(
      say("member-not-answering", "error", "does not answer: look at its server's log"),
    );
    return { member, state: "stopped", status, findings, examined };
  }
  if (status?.maintenance === true) {
    findings.push(say("member-in-maintenance", "error", maintenanceText(status)));
    return { member, state: "stopped", status, findings, examined };
  }
  if ((status?.errorCode ?? 0) !== 0)
    findings.push(say("member-error", "error", `reports error ${status?.errorCode}`));
  return { member, state: "serving", status, findings, examined };
}

/** Whether the driver says how to ask the server for its status. */
function answersQuestions({ driver: { description } }: Service): boolean {
  return description["status"] !== undefined || description["code"] !== undefined;
}

function maintenanceText({ errorCode = 0, highAvailability }: MemberStatus): string {
  if (errorCode !== 0)
    return `has stopped with error ${errorCode} and waits in maintenance: remove the cause, then restart it`;
  return highAvailability?.NewRole === "HADISABLED"
    ? "has stopped and gives no reason, as after a split-brain: look at the history of both members, then choose whose data to keep"
    : "is in maintenance: somebody put it there";
}

/** True for a member of which nothing can be told now. */
export function quietReport({ state, status }: MemberReport): boolean {
  return state !== "serving" || status === null;
}

/** How many of something serve: `atLeast` are known to, `atMost` if all that are silent do. */
export interface Serving {
  readonly atLeast: number;
  readonly atMost: number;
}

export interface Judged {
  readonly findings: readonly Finding[];
  /** Down if `atMost` is below `needed`, unknown if only `atLeast` is. */
  readonly serving: Serving;
  readonly needed: number;
}

/** Of members of which any serves as well as another. */
export function servingOf(reports: readonly MemberReport[]): Serving {
  const count = (state: MemberReport["state"]): number =>
    reports.filter((report) => report.state === state).length;
  return { atLeast: count("serving"), atMost: count("serving") + count("silent") };
}

/** What of a cluster stands for one server in it: a pair, or a member that is in none. */
export function unitsOf<T extends { readonly member: Pick<Member, "id" | "pair"> }>(
  members: readonly T[],
): { readonly name: string; readonly members: readonly T[] }[] {
  const units = Map.groupBy(members, ({ member }) =>
    member.pair === null ? `member ${member.id}` : `pair ${member.pair}`,
  );
  return [...units].map(([name, of]) => ({ name, members: of }));
}
