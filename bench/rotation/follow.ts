import { until } from "../../src/demo/until.ts";
import type { RouteResponse } from "../../src/contract/index.ts";
import type { BenchDomain } from "../domain/bench-domain.ts";

const pollMs = 1_000;
const endsWithinMs = 1_800_000;

type RolloutView = RouteResponse<"getRollout">;

/** Plans the rotation of both CAs, observed for 0 seconds, and starts it. Returns the rollout's id. */
export async function startRotation({ call }: BenchDomain): Promise<string> {
  const { plan, id } = await until("the plan can be started", async () => {
    const plan = await call("createPlan", {
      body: {
        kind: "rotate-ca",
        usages: ["management", "traffic"],
        observeSeconds: 0,
        subject: null,
      },
    });
    const { rollout } = await call("startRollout", { body: { planId: plan.id } });
    return { plan, id: rollout.id };
  });
  for (const { subject } of plan.unprovable)
    await call("waiveGate", {
      params: { id },
      body: {
        subject,
        phase: "observe",
        reason: "there are no other callers",
        lifetimeSeconds: 3600,
      },
    });
  return id;
}

/** Resolves with the completed rollout; says now and then where it is. */
export async function followRollout({ call }: BenchDomain, id: string): Promise<RolloutView> {
  let said = "";
  return until(
    `rollout ${id} ends`,
    async () => {
      const view = await call("getRollout", { params: { id: id as never } });
      const { status, done, todo } = view.rollout;
      if (status === "completed") return view;
      const text = `${done.at(-1)?.step.id} (${done.length}/${done.length + todo.length})`;
      if (text !== said) process.stderr.write(`${new Date().toISOString()} ${text}\n`);
      said = text;
      const blockers = `${view.blockers.length} blockers, first: ${view.blockers[0]?.text}`;
      if (status === "rolled-back") throw new Error("it was rolled back");
      await new Promise((resolve) => setTimeout(resolve, pollMs));
      throw new Error(`${text}: ${blockers}`);
    },
    endsWithinMs,
  );
}

/** Seconds from the first step of each phase to the end of its last gate. */
export function phaseSeconds({ rollout }: RolloutView): Record<string, string> {
  const phases = new Map<string, { from: number; to: number }>();
  for (const { step, appliedAtMs, heldAtMs } of rollout.done) {
    const from = phases.get(step.phase)?.from ?? appliedAtMs;
    phases.set(step.phase, { from, to: heldAtMs ?? rollout.finishedAtMs ?? appliedAtMs });
  }
  return Object.fromEntries(
    [...phases].map(([phase, { from, to }]) => [`${phase} s`, ((to - from) / 1000).toFixed(1)]),
  );
}

export function totalSeconds({ rollout }: RolloutView): number {
  return ((rollout.finishedAtMs ?? 0) - rollout.startedAtMs) / 1000;
}
