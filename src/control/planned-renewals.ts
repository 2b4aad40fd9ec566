import type { CredentialId } from "../kit/index.ts";
import type { Credential, Topology } from "../domain/index.ts";
import { isOpen, type Rollout } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreView } from "./ports.ts";
import { createPlan, startRollout } from "./rollouts.ts";

/**
 * True for a credential that its Node Manager does not renew by itself: its server reads keys at its
 * start only, and nobody but a plan knows which member may be away.
 */
export function isRenewedByPlan(
  { services }: Pick<Topology, "services">,
  { usage }: Pick<Credential, "usage">,
): boolean {
  return services.some(({ id, driver }) => id === usage && driver.traits.keyBy === "restart");
}

/**
 * Starts a plan for the credentials of the first service that is due for renewal and needs one;
 * none while a rollout is open. Returns it, null where nothing is due. Throws as `startRollout`.
 */
export async function renewByPlan(env: ControlEnvironment): Promise<Rollout | null> {
  const due = await env.store.read((view) => dueCredentials(view, env));
  if (due.length === 0) return null;
  const wish = { kind: "replace-leaves", credentials: due } as const;
  const plan = await createPlan(env, wish, "system:leader");
  return startRollout(env, plan.id, "system:leader");
}

async function dueCredentials(view: StoreView, env: ControlEnvironment): Promise<CredentialId[]> {
  const services = await view.topology.services();
  if (!services.some(({ driver }) => driver.traits.keyBy === "restart")) return [];
  if ((await view.rollouts.open()).some(isOpen)) return [];
  const due = (await view.credentials.all()).filter(
    (credential) => isRenewedByPlan({ services }, credential) && isDue(credential, env),
  );
  return due.filter(({ usage }) => usage === due[0]?.usage).map(({ id }) => id);
}

/** Its slot has opened, by the newest certificate that it has; what waits for its first is not due. */
function isDue({ recorded, desired }: Credential, { clock, policy }: ControlEnvironment): boolean {
  const newest = recorded.at(-1);
  if (newest === undefined || desired.maxSequence !== null) return false;
  const startMs = newest.notBeforeMs + policy.backdateSeconds * 1000;
  return clock.nowMs() >= startMs + (newest.notAfterMs - startMs) * policy.renewAfterShare;
}
