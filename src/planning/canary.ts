import type { ProcessId } from "../kit/index.ts";
import type { Finding } from "../domain/index.ts";
import type { AppliedStep, CallCounts } from "./rollout.ts";
import type { Evidence } from "./snapshot.ts";

/** With fewer calls than this, a share says nothing. */
const callsMin = 20;
/** By how much a canary's share of failures may be above that of the others. */
const toleratedShare = 0.01;

/** The finding by which a rollout is taken back by itself. */
export const canaryIsWorse = "canary-worse";

/** What members have answered since their start, where their drivers can tell. */
export function callCounts({ snapshot }: Evidence): Record<ProcessId, CallCounts> {
  const counts: Record<ProcessId, CallCounts> = {};
  for (const { id, status } of snapshot.hosts.flatMap(({ members = [] }) => members)) {
    const { operations = null, failures = null } = status ?? {};
    if (operations !== null && failures !== null) counts[id] = { operations, failures };
  }
  return counts;
}

/**
 * Whether, since the step was applied, more of the calls to the changed members failed than of those to the
 * others. Members that were started anew since count from their start.
 */
export function canaryFindings(
  evidence: Evidence,
  { step, counts = {} }: Pick<AppliedStep, "step" | "counts">,
  of: { readonly members: readonly ProcessId[]; readonly others: readonly ProcessId[] },
): Finding[] {
  const now = callCounts(evidence);
  const since = (ids: readonly ProcessId[]): CallCounts =>
    sum(ids.map((id) => gained(counts[id], now[id])));
  const changed = since(of.members);
  const [share, usual] = [shareOf(changed), shareOf(since(of.others))];
  if (changed.operations < callsMin || share <= usual + toleratedShare) return [];
  const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
  return [
    {
      code: canaryIsWorse,
      severity: "error",
      subject: step.id,
      text: `${percent(share)} of the calls to ${of.members.join(", ")} failed since this step, and ${percent(usual)} of those to members that are not changed: the rollout is taken back`,
    },
  ];
}

function gained(before: CallCounts | undefined, now: CallCounts | undefined): CallCounts {
  if (now === undefined) return { operations: 0, failures: 0 };
  if (before === undefined || now.operations < before.operations) return now;
  return {
    operations: now.operations - before.operations,
    failures: Math.max(0, now.failures - before.failures),
  };
}

function sum(all: readonly CallCounts[]): CallCounts {
  return {
    operations: all.reduce((total, { operations }) => total + operations, 0),
    failures: all.reduce((total, { failures }) => total + failures, 0),
  };
}

function shareOf({ operations, failures }: CallCounts): number {
  return operations === 0 ? 0 : failures / operations;
}
