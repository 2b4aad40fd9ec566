import {
  DomainError,
  toHex,
  type AuthorityId,
  type CredentialId,
  type PlanId,
  type RolloutId,
  type ServiceId,
} from "../kit/index.ts";
import { isServiceUsage, type AuthoritySigning, type AuthorityUsage } from "../domain/index.ts";
import { formatName } from "../pki/index.ts";
import {
  changesTrust,
  isOpen,
  planReplaceLeaves,
  planRotateCa,
  planTakeOver,
  rollbackSteps,
  type DomainSnapshot,
  type GivenAuthority,
  type Phase,
  type Plan,
  type PlanRequest,
  type Rollout,
  type RotationRequest,
  type Strategy,
  type Waiver,
} from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { refuseChangingRole } from "./host-role.ts";
import { givenProblems } from "./given-problems.ts";
import { managementSubject, onlyCertificate, trafficSubject } from "./make-authority.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { serviceSubject } from "./service-authority.ts";
import { requireService } from "./services.ts";
import { readSnapshot } from "./snapshot.ts";

export type PlanWish =
  /** Members that run with what they came with get credentials of their service. */
  | { readonly kind: "take-over"; readonly service: ServiceId }
  | { readonly kind: "replace-leaves"; readonly credentials: readonly CredentialId[] | null }
  | {
      readonly kind: "rotate-ca";
      readonly usages: readonly AuthorityUsage[];
      readonly observeSeconds: number;
      /** For the CA of a service; absent: as its servers allow. */
      readonly strategy?: Strategy;
      /** The present key is lost: the new CA comes without its signature. */
      readonly isKeyLost?: boolean;
      readonly subject: string | null;
      /** Another way of signing the management certificates than so far; absent: as so far. */
      readonly signing?: AuthoritySigning;
      /** The CA that signs them in that way, unless it is made here: PEM, its root among them. */
      readonly authority?: GivenAuthority;
    };

/** Computes a plan from the domain as it is now and keeps it to be looked at and started. */
export async function createPlan(
  env: ControlEnvironment,
  wish: PlanWish,
  actor: string,
): Promise<Plan> {
  const id = `plan-${toHex(env.rng.bytes(6))}` as PlanId;
  const entry = { actor, action: "plan.create", subject: id, detail: { kind: wish.kind } };
  return env.store.note(async (tx) => {
    const snapshot = await readSnapshot(tx, env, await tx.revision());
    const request = { id, createdBy: entry.actor };
    const plan = await planFor(tx, snapshot, wish, request);
    const given = plan.successions.flatMap((succession) => succession.given ?? []);
    const found = await Promise.all(given.map((each) => givenProblems(tx, env, each)));
    const checked = { ...plan, problems: [...found.flat(), ...plan.problems] };
    await tx.rollouts.putPlan(checked);
    return checked;
  });
}

async function planFor(
  tx: StoreTransaction,
  snapshot: DomainSnapshot,
  wish: PlanWish,
  request: PlanRequest,
): Promise<Plan> {
  switch (wish.kind) {
    case "replace-leaves":
      return planReplaceLeaves(snapshot, { ...request, credentials: wish.credentials });
    case "take-over":
      return planTakeOver(snapshot, { ...request, service: wish.service });
    case "rotate-ca":
      return planRotateCa(snapshot, {
        ...request,
        observeSeconds: wish.observeSeconds,
        isKeyLost: wish.isKeyLost === true,
        ...(wish.strategy === undefined ? {} : { strategy: wish.strategy }),
        successors: await successors(tx, wish),
      });
  }
}

/** Names the new authorities: the numbers are spent when the plan is made, so no two plans share one. */
async function successors(
  tx: StoreTransaction,
  wish: Extract<PlanWish, { kind: "rotate-ca" }>,
): Promise<RotationRequest["successors"]> {
  const domain = await tx.topology.domain();
  const list = [];
  for (const usage of wish.usages) {
    const given = usage === "management" ? await givenFor(tx, wish) : undefined;
    const number = await tx.topology.nextNumber("authority", 1);
    const to = `${usage}-${number}` as AuthorityId;
    if (given !== undefined) {
      const subject = formatName(onlyCertificate(given.certificatePem).subject);
      list.push({ usage, to, subject, given });
      continue;
    }
    if (isServiceUsage(usage)) {
      const { name } = await requireService(tx, usage);
      list.push({ usage, to, subject: serviceSubject(name, number, domain.id) });
      continue;
    }
    const chosen =
      usage === "traffic"
        ? trafficSubject(number, domain.id)
        : (wish.subject ?? managementSubject(domain.name, number));
    list.push({ usage, to, subject: chosen });
  }
  return list;
}

/** The CA that was given; undefined where one is to be made. Throws `invalid-input` where it is missing. */
async function givenFor(
  view: StoreView,
  { signing, authority, isKeyLost }: Extract<PlanWish, { kind: "rotate-ca" }>,
): Promise<GivenAuthority | undefined> {
  // In place of a key that is lost comes one that is made here.
  if (isKeyLost === true) return undefined;
  const mode = signing ?? (await view.authorities.current("management")).signing;
  if (mode === "generated" || authority !== undefined) return authority;
  throw new DomainError(
    "invalid-input",
    `the management certificates are to be signed by a CA that is ${mode}, and its certificate is not given: \`gatehouse plan change-signing ${mode} --ca FILE\``,
  );
}

/**
 * Starts a plan. Throws `plan-unsafe` if it has problems, `plan-stale` if the domain changed since
 * it was computed, `rollout-active` if another rollout already changes trust.
 */
export async function startRollout(
  env: ControlEnvironment,
  planId: PlanId,
  actor: string,
): Promise<Rollout> {
  const id = `rollout-${toHex(env.rng.bytes(6))}` as RolloutId;
  return env.store.write(
    { actor, action: "rollout.start", subject: id, detail: { plan: planId } },
    async (tx) => {
      const plan = await requirePlan(tx, planId);
      const problem = plan.problems.find((finding) => finding.severity === "error");
      if (problem !== undefined)
        throw new DomainError("plan-unsafe", `plan ${planId} cannot be started: ${problem.text}`);
      if (plan.parentRevision !== (await tx.revision())) {
        throw new DomainError(
          "plan-stale",
          `the domain changed since plan ${planId} was computed: make the plan again, look at it, and start that one`,
        );
      }
      const rollout: Rollout = {
        id,
        planId,
        kind: plan.kind,
        title: plan.title,
        status: "running",
        pausedFrom: null,
        successions: plan.successions,
        done: [],
        todo: plan.steps,
        waivers: [],
        version: 1,
        startedAtMs: env.clock.nowMs(),
        finishedAtMs: null,
      };
      await refuseSecond(tx, rollout);
      await refuseChangingRole(tx);
      await tx.rollouts.put(rollout);
      return rollout;
    },
  );
}

/** Trust changes one rollout at a time; and two rollouts would want different things of a credential. */
async function refuseSecond(view: StoreView, rollout: Rollout): Promise<void> {
  const other = (await view.rollouts.open()).find(isOpen);
  if (other === undefined) return;
  const why =
    changesTrust(rollout) || changesTrust(other)
      ? "trust changes one rollout at a time"
      : "two rollouts would reissue the same credentials";
  throw new DomainError(
    "rollout-active",
    `rollout ${other.id} (${other.title}) is under way and ${why}: let it finish, or roll it back`,
  );
}

type Change = (rollout: Rollout, view: StoreView) => Rollout | Promise<Rollout>;

/** Reads a rollout, changes it and writes it back as the next version, in one transaction. */
async function changeRollout(
  env: ControlEnvironment,
  id: RolloutId,
  actor: string,
  action: string,
  change: Change,
): Promise<Rollout> {
  return env.store.write({ actor, action, subject: id, detail: {} }, async (tx) => {
    const rollout = await requireRollout(tx, id);
    if (!isOpen(rollout))
      throw new DomainError(
        "conflict",
        `rollout ${id} is ${rollout.status} and cannot be changed any more`,
      );
    const next = { ...(await change(rollout, tx)), version: rollout.version + 1 };
    await tx.rollouts.put(next);
    return next;
  });
}

/** The plan with this id, or `not-found`. */
export async function requirePlan(view: StoreView, id: PlanId): Promise<Plan> {
  const plan = await view.rollouts.plan(id);
  if (plan !== undefined) return plan;
  throw new DomainError("not-found", `there is no plan ${id}: make one with \`gatehouse plan\``);
}

/** The rollout with this id, or `not-found`. */
export async function requireRollout(view: StoreView, id: RolloutId): Promise<Rollout> {
  const rollout = await view.rollouts.get(id);
  if (rollout !== undefined) return rollout;
  throw new DomainError(
    "not-found",
    `there is no rollout ${id}: \`gatehouse rollout list\` lists them`,
  );
}

/** Begins no further step until resumed. Renewals, joins and deletions go on. */
export function pauseRollout(
  env: ControlEnvironment,
  id: RolloutId,
  actor: string,
): Promise<Rollout> {
  return changeRollout(env, id, actor, "rollout.pause", (rollout) => {
    if (rollout.status === "paused")
      throw new DomainError("conflict", `rollout ${id} is paused already`);
    return {
      ...rollout,
      status: "paused",
      pausedFrom: rollout.status === "rolling-back" ? "rolling-back" : "running",
    };
  });
}

/** Goes on where it was paused. */
export function resumeRollout(
  env: ControlEnvironment,
  id: RolloutId,
  actor: string,
): Promise<Rollout> {
  return changeRollout(env, id, actor, "rollout.resume", (rollout) => {
    if (rollout.status !== "paused")
      throw new DomainError("conflict", `rollout ${id} is not paused`);
    return { ...rollout, status: rollout.pausedFrom ?? "running", pausedFrom: null };
  });
}

/** Takes the rollout back from any phase before retire. Throws `plan-unsafe` after that. */
export function rollBack(env: ControlEnvironment, id: RolloutId, actor: string): Promise<Rollout> {
  return changeRollout(env, id, actor, "rollout.rollback", (rollout) => {
    if (rollout.status === "rolling-back" || rollout.pausedFrom === "rolling-back")
      throw new DomainError("conflict", `rollout ${id} is rolling back already`);
    // The gate of the abandoned step is waited for no more.
    const done = rollout.done.map((applied) => ({
      ...applied,
      heldAtMs: applied.heldAtMs ?? env.clock.nowMs(),
    }));
    return {
      ...rollout,
      status: "rolling-back",
      pausedFrom: null,
      done,
      todo: rollbackSteps(rollout),
    };
  });
}

/**
 * Lets one phase pass without the evidence of one party, until the waiver lapses. Throws
 * `invalid-input` for a phase that the rollout does not have, `not-found` for a party that it could
 * not wait for.
 */
export function waiveGate(
  env: ControlEnvironment,
  id: RolloutId,
  waiver: {
    readonly subject: string;
    readonly phase: string;
    readonly reason: string;
    readonly lifetimeSeconds: number;
  },
  actor: string,
): Promise<Rollout> {
  return changeRollout(env, id, actor, "rollout.waive", async (rollout, view) => {
    const steps = [...rollout.done.map((applied) => applied.step), ...rollout.todo];
    const phases = new Set(steps.map((step) => step.phase));
    if (!phases.has(waiver.phase as Phase)) {
      throw new DomainError(
        "invalid-input",
        `rollout ${id} has no phase ${waiver.phase}: it has ${[...phases].join(", ")}`,
      );
    }
    const { hosts, relyingParties } = await view.topology.whole();
    const unmanaged = steps
      .flatMap((step) => step.gate)
      .flatMap((condition) => (condition.require === "unmanaged-waived" ? condition.subjects : []));
    const subjects = [...[...hosts, ...relyingParties].map((party) => party.id), ...unmanaged];
    if (!subjects.includes(waiver.subject)) {
      throw new DomainError(
        "not-found",
        `rollout ${id} waits for no ${JSON.stringify(waiver.subject)}: give a host or relying party that \`gatehouse status\` lists${unmanaged.length === 0 ? "" : `, or ${unmanaged.join(", ")}`}`,
      );
    }
    const endsAtMs = env.clock.nowMs() + waiver.lifetimeSeconds * 1000;
    const added: Waiver = {
      subject: waiver.subject,
      phase: waiver.phase as Phase,
      reason: waiver.reason,
      person: actor,
      endsAtMs,
    };
    return { ...rollout, waivers: [...rollout.waivers, added] };
  });
}
