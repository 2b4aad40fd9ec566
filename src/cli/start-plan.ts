import { isDomainError } from "../kit/index.ts";
import type { RouteBody, RouteResponse } from "../contract/index.ts";
import type { Admin } from "./admin-session.ts";

const triesMax = 5;

/**
 * Computes a plan and starts it at once. Where something changed the domain in between, a join or
 * a renewal, the plan is computed anew: nobody has looked at the one that became stale.
 */
export async function startNewPlan(
  admin: Admin,
  body: RouteBody<"createPlan">,
): Promise<{
  plan: RouteResponse<"createPlan">;
  rollout: RouteResponse<"startRollout">["rollout"];
}> {
  for (let tries = 1; ; tries++) {
    const plan = await admin.call("createPlan", { body });
    try {
      const { rollout } = await admin.call("startRollout", { body: { planId: plan.id } });
      return { plan, rollout };
    } catch (error) {
      if (!isDomainError(error, "plan-stale") || tries === triesMax) throw error;
    }
  }
}
