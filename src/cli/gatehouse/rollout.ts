import { DomainError, type PlanId, type RolloutId } from "../../kit/index.ts";
import type { RolloutView } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { parseDuration, parseObserveSeconds } from "../duration.ts";
import { followRollout } from "../follow-rollout.ts";
import { rolloutTable, rolloutText } from "../render/rollout-text.ts";

export function listRollouts(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { rollouts } = await admin.call("listRollouts");
    printResult(context, rollouts, rolloutTable);
  });
}

export function showRollout(context: CommandContext, id: string | undefined): Promise<void> {
  return asAdmin(context, async (admin) => {
    const view = await admin.call("getRollout", { params: { id: await chosen(admin, id) } });
    printResult(context, view, rolloutText);
  });
}

/** `gatehouse rollout watch`: follows it to its end, whoever has to help it on. */
export function watchRollout(
  context: CommandContext,
  id: string | undefined,
  timeout: string | undefined,
): Promise<void> {
  const timeoutSeconds = timeout === undefined ? null : parseDuration(timeout);
  return asAdmin(context, async (admin) => {
    const view = await followRollout(admin, context.terminal, await chosen(admin, id), {
      asksPeople: false,
      timeoutSeconds,
    });
    printResult(
      context,
      view,
      ({ rollout }) => `Rollout ${rollout.id} is completed: ${rollout.title}`,
    );
  });
}

/** The rollout with this id, or the open one where none is named. */
async function chosen(admin: Admin, id: string | undefined): Promise<RolloutId> {
  if (id !== undefined) return id as RolloutId;
  const { rollouts } = await admin.call("listRollouts");
  const open = rollouts.find(
    ({ rollout: { status } }) => status !== "completed" && status !== "rolled-back",
  );
  if (open !== undefined) return open.rollout.id;
  throw new DomainError(
    "not-found",
    "no rollout is under way: name one that `gatehouse rollout list` shows",
  );
}

export function startRollout(
  context: CommandContext,
  planId: string,
  follows: boolean,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const view = await admin.call("startRollout", { body: { planId: planId as PlanId } });
    printResult(context, view, ({ rollout }) => rollout.id);
    if (follows)
      await followRollout(admin, context.terminal, view.rollout.id, {
        asksPeople: true,
        timeoutSeconds: null,
      });
  });
}

const routeOf = {
  pause: "pauseRollout",
  resume: "resumeRollout",
  rollback: "rollBackRollout",
} as const;

/** `gatehouse rollout pause|resume|rollback`. */
export function changeRollout(
  context: CommandContext,
  change: keyof typeof routeOf,
  id: string | undefined,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const view = await admin.call(routeOf[change], { params: { id: await chosen(admin, id) } });
    printResult(context, view, stateLine);
  });
}

function stateLine({ rollout }: RolloutView): string {
  return `Rollout ${rollout.id} is ${rollout.status}.`;
}

export interface WaiverWish {
  readonly subject: string;
  readonly phase: string;
  readonly reason: string;
  readonly for: string;
}

/** `gatehouse rollout waive`. */
export function waive(
  context: CommandContext,
  id: string | undefined,
  wish: WaiverWish,
): Promise<void> {
  const { subject, phase, reason } = wish;
  const body = { subject, phase, reason, lifetimeSeconds: parseDuration(wish.for) };
  return asAdmin(context, async (admin) => {
    const view = await admin.call("waiveGate", { params: { id: await chosen(admin, id) }, body });
    printResult(
      context,
      view,
      ({ rollout }) =>
        `Rollout ${rollout.id}: phase ${phase} may pass without ${subject}, for ${wish.for}.`,
    );
  });
}

export interface RotationWish {
  readonly usage: string;
  readonly observe: string;
  readonly subject?: string | undefined;
  readonly service?: string | undefined;
  readonly strategy?: "overlap" | "documented" | undefined;
}

/** The body of `gatehouse plan rotate-ca`. */
export function rotationBody(wish: RotationWish) {
  const usages = {
    management: ["management"],
    traffic: ["traffic"],
    all: ["management", "traffic"],
  } as const;
  const chosenUsages = usages[wish.usage as keyof typeof usages];
  if (chosenUsages === undefined)
    throw new DomainError(
      "usage",
      `--usage is management, traffic or all, not ${JSON.stringify(wish.usage)}`,
    );
  return {
    kind: "rotate-ca" as const,
    usages: [...chosenUsages],
    observeSeconds: parseObserveSeconds(wish.observe),
    subject: wish.subject ?? null,
  };
}
