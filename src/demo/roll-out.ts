import { DomainError } from "../kit/index.ts";
import type { RolloutView, RouteBody } from "../contract/index.ts";
import type { DemoDomain } from "./build-domain.ts";
import { until } from "./until.ts";

export interface PhaseTime {
  readonly rollout: string;
  readonly phase: string;
  readonly seconds: number;
}

export interface RolloutResult {
  readonly id: string;
  readonly replaced: number;
  readonly phases: readonly PhaseTime[];
}

const longestMs = 180_000;

/** Plans a change, starts it, answers for the callers outside the domain, and follows it to its end. */
export async function rollOut(
  domain: DemoDomain,
  wish: RouteBody<"createPlan">,
  onProgress: (view: RolloutView) => void,
  ending: AbortSignal,
): Promise<RolloutResult> {
  // A certificate that an Admin Node Manager gets at the same time makes a plan stale: plan again.
  const { plan, id } = await until(
    "the plan can be started",
    async () => {
      const plan = await domain.call("createPlan", { body: wish });
      const { rollout } = await domain.call("startRollout", { body: { planId: plan.id } });
      return { plan, id: rollout.id };
    },
    20_000,
    ending,
  );
  for (const { subject } of plan.unprovable) {
    // The demonstration has no callers but its own load generator, which proves its trust itself.
    await domain.call("waiveGate", {
      params: { id },
      body: {
        subject,
        phase: "observe",
        reason: "the demonstration has no other callers",
        lifetimeSeconds: 3600,
      },
    });
  }
  const view = await until(
    `rollout ${id} ends`,
    async () => {
      const now = await domain.call("getRollout", { params: { id } });
      onProgress(now);
      if (now.rollout.status !== "completed" && now.rollout.status !== "rolled-back")
        throw new Error(
          now.blockers.map((blocker) => blocker.text).join("; ") || `phase ${now.phase}`,
        );
      return now;
    },
    longestMs,
    ending,
  );
  if (view.rollout.status !== "completed")
    throw new DomainError("rollout-blocked", `rollout ${id} was rolled back`);
  return { id, replaced: plan.replaced.length, phases: phaseTimes(view) };
}

/** Seconds from the first step of each phase to the end of its last gate. */
function phaseTimes({ rollout }: RolloutView): PhaseTime[] {
  const phases = new Map<string, { from: number; to: number }>();
  for (const { step, appliedAtMs, heldAtMs } of rollout.done) {
    const from = phases.get(step.phase)?.from ?? appliedAtMs;
    phases.set(step.phase, { from, to: heldAtMs ?? rollout.finishedAtMs ?? appliedAtMs });
  }
  return [...phases].map(([phase, { from, to }]) => ({
    rollout: rollout.kind,
    phase,
    seconds: Math.round((to - from) / 10) / 100,
  }));
}
