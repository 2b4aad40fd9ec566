import { arrangeEvidence, nextMove, phaseOf, type Rollout } from "../planning/index.ts";
import type { RolloutView } from "../contract/index.ts";
import {
  createPlan,
  formatNextCursor,
  parseLogCursor,
  pauseRollout,
  requirePlan,
  requireRollout,
  resumeRollout,
  revoke,
  rollBack,
  startRollout,
  type StoreView,
  waiveGate,
} from "../control/index.ts";
import type { AdminState } from "./admin-state.ts";
import { shownSnapshot, type Reading } from "./cut-off.ts";
import type { Handlers } from "./handlers.ts";
import { isHeardOf, shownMoment } from "./heard-of.ts";
import { refuseKeysAtHand, refuseLostKeys } from "./lost-keys.ts";

type Names =
  | "createPlan"
  | "getPlan"
  | "startRollout"
  | "listRollouts"
  | "getRollout"
  | "pauseRollout"
  | "resumeRollout"
  | "rollBackRollout"
  | "waiveGate"
  | "revoke"
  | "listAudit"
  | "verifyAudit";

const rolloutsShownMax = 100;

export const changeHandlers: Handlers<Names> = {
  async createPlan(state, { body, actor }) {
    const usages = body.kind === "rotate-ca" ? body.usages : (["management", "traffic"] as const);
    if (body.kind === "rotate-ca" && body.isKeyLost === true) await refuseKeysAtHand(state, usages);
    else if (body.kind !== "rotate-ca" || body.authority === undefined)
      await refuseLostKeys(state, usages);
    return createPlan(state.env, body, actor);
  },
  getPlan: ({ env }, { params }) => env.store.read((view) => requirePlan(view, params.id)),
  startRollout: async (state, { body, actor }) =>
    viewOf(state, await startRollout(state.env, body.planId, actor)),
  async listRollouts(state) {
    return state.env.store.read(async (view) => {
      const all = await view.rollouts.all(rolloutsShownMax);
      return {
        rollouts: await Promise.all(all.map((rollout) => describeRollout(state, view, rollout))),
      };
    });
  },
  getRollout: (state, { params }) =>
    state.env.store.read(async (view) =>
      describeRollout(state, view, await requireRollout(view, params.id)),
    ),
  pauseRollout: async (state, { params, actor }) =>
    viewOf(state, await pauseRollout(state.env, params.id, actor)),
  resumeRollout: async (state, { params, actor }) =>
    viewOf(state, await resumeRollout(state.env, params.id, actor)),
  rollBackRollout: async (state, { params, actor }) =>
    viewOf(state, await rollBack(state.env, params.id, actor)),
  waiveGate: async (state, { params, body, actor }) =>
    viewOf(state, await waiveGate(state.env, params.id, body, actor)),
  async revoke(state, { body, actor }) {
    const { epoch, denied, processes } = await revoke(state.env, { ...body, actor });
    await state.refreshTrust();
    return {
      epoch,
      denied,
      processes: [...processes],
      acknowledged: await acknowledged(state, epoch),
    };
  },
  async listAudit({ env }, { query }) {
    const after = parseLogCursor(query.after ?? "");
    const records = await env.store.read((view) => view.audit.page(after, query.limit));
    return {
      next: formatNextCursor(after, records),
      records: records.map((record) => ({ ...record, detail: { ...record.detail } })),
    };
  },
  async verifyAudit({ env }) {
    const verdict = await env.store.read((view) => view.audit.verify());
    if (!verdict.ok)
      return {
        ok: false,
        text: verdict.text,
        links: 0,
        records: 0,
        issuances: 0,
      };
    const { links, records, issuances } = verdict;
    return { ok: true, text: "every link verifies", links, records, issuances };
  },
};

function viewOf(state: Reading, rollout: Rollout): Promise<RolloutView> {
  return state.env.store.read((view) => describeRollout(state, view, rollout));
}

async function describeRollout(
  state: Reading,
  view: StoreView,
  rollout: Rollout,
): Promise<RolloutView> {
  const move = nextMove(rollout, arrangeEvidence(await shownSnapshot(state, view)), null);
  return {
    rollout,
    phase: phaseOf(rollout),
    blockers: move.do === "wait" ? [...move.blockers] : [],
  };
}

const acknowledgeMsMax = 5_000;
const acknowledgePollMs = 50;

/** Waits until another host has loaded the epoch, where there is another host that is connected. */
async function acknowledged(state: AdminState, epoch: number): Promise<boolean> {
  const deadlineMs = state.env.clock.monotonicMs() + acknowledgeMsMax;
  for (;;) {
    const { others, loaded } = await state.env.store.read(async (view) => {
      const seen = await view.observations.hosts();
      const lastOf = new Map(seen.map((last) => [last.hostId, last]));
      const now = shownMoment(state);
      const others = (await view.topology.hosts()).filter(
        (host) => host.id !== state.hostId && isHeardOf(state, now, host, lastOf.get(host.id)),
      );
      return {
        others,
        loaded: seen.some(
          (host) =>
            host.hostId !== state.hostId &&
            host.processes.some((process) => (process.loadedEpoch ?? 0) >= epoch),
        ),
      };
    });
    if (others.length === 0 || loaded) return others.length > 0;
    if (state.env.clock.monotonicMs() > deadlineMs) return false;
    await new Promise((resolve) => setTimeout(resolve, acknowledgePollMs));
  }
}
