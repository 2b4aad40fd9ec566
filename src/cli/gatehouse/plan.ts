import { DomainError, type PlanId, type ServiceId } from "../../kit/index.ts";
import type { RouteBody } from "../../contract/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { followRollout } from "../follow-rollout.ts";
import { planText } from "../render/plan-text.ts";
import type { ProvidedCa } from "../signing/provided-ca.ts";
import { startNewPlan } from "../start-plan.ts";

export interface PlanWish {
  readonly body: RouteBody<"createPlan">;
  readonly starts: boolean;
  readonly follows: boolean;
  readonly waiverReason: string | undefined;
  /** Signs what the rollout wants signed elsewhere, while it is followed. */
  readonly ca?: ProvidedCa;
}

/**
 * `gatehouse plan ...`: computes and shows a plan; starts and follows it where that was asked for.
 * Throws `plan-unsafe` after one that would break something was shown.
 */
export function makePlan(context: CommandContext, wish: PlanWish): Promise<void> {
  if (wish.follows && !wish.starts)
    throw new DomainError(
      "usage",
      "--follow goes with --start: a plan that is not started cannot be followed",
    );
  if (wish.waiverReason !== undefined && !wish.follows)
    throw new DomainError(
      "usage",
      "--waive-unmanaged goes with --follow: the waiver is given when the rollout comes to it; without, `gatehouse rollout waive` gives it",
    );
  return asAdmin(context, async (admin) => {
    if (!wish.starts) {
      const plan = await admin.call("createPlan", { body: wish.body });
      printResult(context, plan, planText);
      if (plan.problems.some(({ severity }) => severity === "error"))
        throw new DomainError(
          "plan-unsafe",
          `plan ${plan.id} cannot be started: mend what it says would break, and plan again`,
        );
      context.terminal.err(`Start it with: gatehouse rollout start ${plan.id}`);
      return;
    }
    const { plan, rollout } = await startNewPlan(admin, wish.body);
    printResult(context, plan, planText);
    context.terminal.err(`Started: ${rollout.id}`);
    if (!wish.follows) return;
    await followRollout(admin, context.terminal, rollout.id, {
      asksPeople: true,
      timeoutSeconds: null,
      waiverReason: wish.waiverReason,
      ca: wish.ca,
    });
    context.terminal.err(`Completed: ${rollout.id}`);
  });
}

/** `gatehouse plan show`. */
export function showPlan(context: CommandContext, id: PlanId): Promise<void> {
  return asAdmin(context, async (admin) =>
    printResult(context, await admin.call("getPlan", { params: { id } }), planText),
  );
}

/** The usage of the authorities of a service that is given by its name or id. */
export function serviceUsage(context: CommandContext, service: string): Promise<ServiceId> {
  return asAdmin(
    context,
    async (admin) => (await admin.call("getService", { params: { service } })).id,
  );
}
