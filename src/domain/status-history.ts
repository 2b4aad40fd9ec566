import type { MemberStatus } from "./member-status.ts";

/** What changed in a member's status; kept, since servers forget it. */
export interface StatusChange {
  readonly what:
    | "answers"
    | "role"
    | "synchronised"
    | "reason"
    | "maintenance"
    | "error"
    | "cluster";
  /** As the server said it, at most 200 characters; empty for nothing. */
  readonly from: string;
  readonly to: string;
}

export interface RememberedChange extends StatusChange {
  readonly atMs: number;
}

const textLengthMax = 200;
const keptMax = 100;

const read: Readonly<Record<StatusChange["what"], (status: MemberStatus) => string>> = {
  answers: () => "yes",
  role: ({ role, highAvailability }) => highAvailability?.NewRole ?? role ?? "",
  synchronised: ({ synchronised }) => (synchronised === null ? "" : String(synchronised)),
  reason: ({ highAvailability }) => reasonText(highAvailability),
  maintenance: ({ maintenance = false }) => (maintenance ? "on" : ""),
  error: ({ errorCode = 0 }) => (errorCode === 0 ? "" : String(errorCode)),
  cluster: ({ cluster }) =>
    cluster === undefined
      ? ""
      : `${cluster.Status} ${cluster.ConnectedServers}/${cluster.DisconnectedServers}`,
};

function reasonText(pair: MemberStatus["highAvailability"]): string {
  if (pair === undefined || pair.ReasonCode === 0) return "";
  return `${pair.ReasonCode}${pair.ReasonString === undefined ? "" : ` ${pair.ReasonString}`}`;
}

/**
 * What is to be remembered of a member whose status was `before` and is `after`; null where it does
 * not answer. At most one entry of each kind. One that does not answer says nothing of the rest: its
 * role and reason are compared again when it answers, with what it said last.
 */
export function statusChanges(
  before: MemberStatus | null,
  after: MemberStatus | null,
): StatusChange[] {
  if (before === null || after === null)
    return before === after
      ? []
      : [
          { what: "answers", from: before === null ? "" : "yes", to: after === null ? "" : "yes" },
          ...(after === null ? [] : changed(null, after)),
        ];
  return changed(before, after);
}

function changed(before: MemberStatus | null, after: MemberStatus): StatusChange[] {
  return Object.entries(read).flatMap(([what, text]) => {
    const from = before === null ? "" : text(before).slice(0, textLengthMax);
    const to = text(after).slice(0, textLengthMax);
    const isKept = from !== to && what !== "answers";
    return isKept ? [{ what: what as StatusChange["what"], from, to }] : [];
  });
}

/** The history of a member with new entries, oldest first; what is too much goes from its beginning. */
export function remember(
  history: readonly RememberedChange[],
  changes: readonly StatusChange[],
  atMs: number,
): RememberedChange[] {
  return [...history, ...changes.map((change) => ({ ...change, atMs }))].slice(-keptMax);
}
