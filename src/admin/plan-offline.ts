import { DomainError, isDomainError, type CredentialId, type RolloutId } from "../kit/index.ts";
import { createPlan, startRollout, waiveGate, type PlanWish } from "../control/index.ts";
import type { HomeEnvironment } from "./environment.ts";
import { withStoppedAdmin } from "./stopped-admin.ts";

const actor = "system:offline";
const waiverSeconds = 86_400;

/** A regeneration that was recorded while nothing ran. */
export interface RecordedPlan {
  readonly title: string;
  readonly rollout: RolloutId;
  /** Whose certificates it replaces. */
  readonly replaced: readonly CredentialId[];
}

/**
 * Records the plan of a regeneration in the store of a home on which nothing runs: it begins when an
 * Admin Node Manager does. Peers that cannot be asked now are proven to trust a new CA first, then. Throws
 * `home-missing`, `home-locked`, `not-found` for a process of another host, `rollout-active`.
 */
export async function planOffline(
  home: string,
  of: {
    /** False: the leaf certificates of this host, or of some of its processes, alone. */
    readonly rotatesCa: boolean;
    readonly processes: readonly string[];
    readonly observeSeconds: number;
    /** Why callers that cannot be observed may be passed over; absent: somebody is asked then. */
    readonly waiverReason: string | undefined;
  },
): Promise<RecordedPlan> {
  const { rotatesCa, processes, observeSeconds, waiverReason } = of;
  return withStoppedAdmin(home, async ({ env, settings }) => {
    const wish: PlanWish = rotatesCa
      ? { kind: "rotate-ca", usages: ["management"], observeSeconds, subject: null }
      : {
          kind: "replace-leaves",
          credentials: await credentialsOf(env, settings.hostId, processes),
        };
    const { id, title, replaced, unprovable } = await createPlan(env, wish, actor);
    const rollout = await startRollout(env, id, actor).catch((error: unknown) => {
      throw isDomainError(error, "rollout-active")
        ? new DomainError(
            "rollout-active",
            "a rollout is recorded or under way already: it goes on when this host's Node Manager is started, `gatehouse node start`",
          )
        : error;
    });
    for (const { subject } of waiverReason === undefined ? [] : unprovable) {
      const waiver = { subject, phase: "observe", reason: waiverReason ?? "" };
      await waiveGate(env, rollout.id, { ...waiver, lifetimeSeconds: waiverSeconds }, actor);
    }
    return { title, rollout: rollout.id, replaced };
  });
}

async function credentialsOf(
  { store }: HomeEnvironment,
  hostId: string,
  processes: readonly string[],
): Promise<CredentialId[]> {
  const own = (await store.read((view) => view.credentials.all())).filter(
    (credential) => credential.hostId === hostId,
  );
  const stranger = processes.find((id) => own.every(({ process }) => process !== id));
  if (stranger !== undefined)
    throw new DomainError("not-found", `${stranger} is no process of this host, ${hostId}`);
  return own
    .filter(({ process }) => processes.length === 0 || processes.includes(process))
    .map(({ id }) => id);
}
