import type { CredentialId, PlanId, ProcessId, RolloutId } from "../kit/index.ts";
import type { DesiredCredential } from "../domain/index.ts";
import type { Phase, PlanKind, Step, Succession } from "./plan.ts";

export type RolloutStatus = "running" | "paused" | "rolling-back" | "completed" | "rolled-back";

/** A plan being executed: the steps whose edits are in desired state, and those still to come. */
export interface Rollout {
  readonly id: RolloutId;
  readonly planId: PlanId;
  readonly kind: PlanKind;
  readonly title: string;
  readonly status: RolloutStatus;
  /** Resumed to this status; null unless paused. */
  readonly pausedFrom: "running" | "rolling-back" | null;
  readonly successions: readonly Succession[];
  /** Applied steps in order; the gate of the last one holds back the first of `todo`. */
  readonly done: readonly AppliedStep[];
  readonly todo: readonly Step[];
  readonly waivers: readonly Waiver[];
  /** Rises with every write; a writer that read an older one is refused. */
  readonly version: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
}

export interface AppliedStep {
  readonly step: Step;
  readonly appliedAtMs: number;
  /** Trust epoch after the edit; conditions of the step count from it. */
  readonly epoch: number;
  /** What each credential was before a `reissue` changed what is desired of it. */
  readonly before: Readonly<Record<CredentialId, CredentialBefore>>;
  /** What members had answered when it was applied, for a canary to be compared; absent: none is. */
  readonly counts?: Readonly<Record<ProcessId, CallCounts>>;
  /** When the gate was found to hold and the next step began; null while it is still waited for. */
  readonly heldAtMs: number | null;
}

/** What a member has answered since its start, and how much of that was a failure. */
export interface CallCounts {
  readonly operations: number;
  readonly failures: number;
}

export interface CredentialBefore {
  readonly desired: DesiredCredential;
  readonly lastSequence: number;
}

/** Lets a gate pass without the evidence of one party; lapses at its end date. */
export interface Waiver {
  /**
   * A host, a managed relying party, `unmanaged:<usage>` for callers that nobody can observe, or
   * `certificate:<serial>` for the holder of a foreign one.
   */
  readonly subject: string;
  readonly phase: Phase;
  readonly reason: string;
  readonly person: string;
  readonly endsAtMs: number;
}

/** Rollouts that change whom processes trust; one at a time per domain. */
export function changesTrust(rollout: Pick<Rollout, "kind">): boolean {
  return rollout.kind === "rotate-ca";
}

/** True until the rollout is completed or rolled back. */
export function isOpen(rollout: Pick<Rollout, "status">): boolean {
  return rollout.status !== "completed" && rollout.status !== "rolled-back";
}

/** The phase the rollout is in: that of its last applied step. */
export function phaseOf(rollout: Pick<Rollout, "done" | "todo">): Phase | null {
  return (rollout.done.at(-1)?.step ?? rollout.todo[0])?.phase ?? null;
}
