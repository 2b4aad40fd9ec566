import type { Finding } from "../domain/index.ts";
import { blockersOf } from "./gate.ts";
import type { Step } from "./plan.ts";
import type { Rollout } from "./rollout.ts";
import type { Evidence } from "./snapshot.ts";

/** What the leader does with a rollout now. */
export type Move =
  /** Paused or over. */
  | { readonly do: "nothing" }
  /** The gate of the last step does not hold. */
  | { readonly do: "wait"; readonly blockers: readonly Finding[] }
  /** The gate holds, but not yet for as long as the step asks. */
  | { readonly do: "hold"; readonly untilMs: number }
  | { readonly do: "apply"; readonly step: Step }
  | { readonly do: "finish" };

/**
 * Decides the next move. `heldSinceMs` is when the gate of the last step was first found to hold
 * without interruption since, or null. Evaluated again inside the transaction that applies the
 * step, so that a gate that stopped holding in between stops the step.
 */
export function nextMove(rollout: Rollout, evidence: Evidence, heldSinceMs: number | null): Move {
  if (rollout.status !== "running" && rollout.status !== "rolling-back") return { do: "nothing" };
  const last = rollout.done.at(-1);
  if (last !== undefined && last.heldAtMs === null) {
    const blockers = blockersOf(last, evidence, rollout.waivers);
    if (blockers.length > 0) return { do: "wait", blockers };
    const seconds = Math.max(
      0,
      ...last.step.gate.map((c) => (c.require === "held-for" ? c.seconds : 0)),
    );
    const untilMs = (heldSinceMs ?? evidence.snapshot.nowMs) + seconds * 1000;
    if (untilMs > evidence.snapshot.nowMs) return { do: "hold", untilMs };
  }
  const [step] = rollout.todo;
  return step === undefined ? { do: "finish" } : { do: "apply", step };
}
