import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError, isDomainError, type RolloutId } from "../kit/index.ts";
import { credentialId } from "../domain/index.ts";
import {
  isOwnProcessRecorded,
  isWaitingForHosts,
  knownNodeManager,
  publishTrust,
  recordOwnProcess,
  renewByPlan,
  renewShort,
  requireHost,
  settleRestoration,
  type Leadership,
} from "../control/index.ts";
import type { AdminState } from "./admin-state.ts";
import { FindingWatch } from "./finding-hooks.ts";
import { keepSharedKeys } from "./shared-keys.ts";
import { advanceAsLeader, anchorAudit } from "./lead.ts";
import { writeProjections } from "./projections.ts";
import { prepareOwnProbes } from "./own-probes.ts";
import { watchAdmins } from "./admin-reports.ts";
import { watchAuditChain } from "./audit-watch.ts";

/** Gates look at observations, which raise no revision: so the leader looks this often too. */
const leaderTickMs = 50;
/** In a large domain a look takes long: the rest of the time is for those who report and ask. */
const lookingShareMax = 0.2;
const sweepEveryMs = 1000;
const idlePollMs = 250;
const minimumEveryMs = 10_000;
const findingsEveryMs = 2000;
const folderEveryMs = 1000;

/** A loop of the Admin Node Manager; ends soon after `signal` is aborted. */
type Job = (state: AdminState, signal: AbortSignal) => Promise<void>;

/** Starts every loop. The promise resolves when all have ended. */
export async function runJobs(state: AdminState, signal: AbortSignal): Promise<void> {
  const jobs: Job[] = [
    keepLease,
    leadRollouts,
    keepMinimum,
    sweep,
    followStore,
    watchFindings,
    watchAdmins,
    watchAuditChain,
    anchorAudit,
    keepAuthorityFolder,
  ];
  await Promise.all(jobs.map((job) => job(state, signal)));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Renews the lease, or watches whoever holds it. */
async function keepLease(state: AdminState, signal: AbortSignal): Promise<void> {
  const { candidate } = state;
  let led: number | null = null;
  while (!signal.aborted) {
    try {
      await candidate.look();
    } catch (error) {
      state.log.warn({ error: describeError(error) }, "the lease could not be looked at");
    }
    const leads = candidate.leadership?.fencingToken ?? null;
    if (leads !== led)
      state.log.info({ fencingToken: leads ?? led }, leads === null ? "no longer leads" : "leads");
    led = leads;
    await pause(candidate.pauseMs);
  }
}

/** Advances every open rollout, as long as there is a move to make and this process leads. */
async function leadRollouts(state: AdminState, signal: AbortSignal): Promise<void> {
  const heldSince = new Map<string, number>();
  while (!signal.aborted) {
    const { leadership } = state.candidate;
    if (leadership === null) {
      heldSince.clear();
      await pause(idlePollMs);
      continue;
    }
    let lookedMs = 0;
    const open = await state.env.store
      .read((view) => view.rollouts.open())
      .catch((error: unknown) => {
        state.log.warn({ error: describeError(error) }, "the rollouts could not be looked at");
        return [];
      });
    for (const rollout of open) {
      try {
        lookedMs += await advanceWhilePossible(state, leadership, rollout.id, heldSince);
      } catch (error) {
        // Repeated at the next tick; a conflict means that a person changed the rollout meanwhile.
        if (!isDomainError(error, "conflict"))
          state.log.warn(
            { rollout: rollout.id, error: describeError(error) },
            "the rollout could not advance",
          );
      }
    }
    const restMs = lookedMs * (1 / lookingShareMax - 1);
    await pause(Math.max(restMs, open.length > 0 ? leaderTickMs : idlePollMs));
  }
}

/** Has renewed what would not last the minimum, and what needs a plan for it, as long as this process leads. */
async function keepMinimum(state: AdminState, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { leadership } = state.candidate;
    try {
      const renewed = leadership === null ? [] : await renewShort(state.env, leadership);
      if (renewed.length > 0)
        state.log.info({ credentials: renewed.length }, "renewed below the horizon's minimum");
      const rollout = leadership === null ? null : await renewByPlan(state.env);
      if (rollout !== null) state.log.info({ rollout: rollout.id }, "renewals need a plan");
    } catch (error) {
      state.log.warn({ error: describeError(error) }, "the horizon could not be looked at");
    }
    await sleep(minimumEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Returns how long the last look took, which found nothing to do: what steps cost is not repeated. */
async function advanceWhilePossible(
  state: AdminState,
  leadership: Leadership,
  id: RolloutId,
  heldSince: Map<string, number>,
): Promise<number> {
  for (;;) {
    const begunMs = state.env.clock.monotonicMs();
    const move = await advanceAsLeader(state, leadership, id, heldSince.get(id) ?? null);
    if (move.do === "hold") heldSince.set(id, heldSince.get(id) ?? state.env.clock.nowMs());
    else heldSince.delete(id);
    if (move.do === "apply")
      state.log.info({ rollout: id, step: move.step.id, phase: move.step.phase }, move.step.title);
    if (move.do !== "apply") return state.env.clock.monotonicMs() - begunMs;
  }
}

/** Loads trust as it changes in the store, the identity as the Node Manager changes it on disk. */
async function followStore(state: AdminState, signal: AbortSignal): Promise<void> {
  let revision = -1;
  while (!signal.aborted) {
    try {
      await state.refreshTrust();
      await state.refreshIdentity();
      await prepareOwnProbes(state);
      await sayOwnState(state);
      await settle(state);
      await refreshAdmins(state);
      const seen = await state.env.store.waitForRevision(revision, idlePollMs);
      if (seen !== revision) {
        await keepSharedKeys(state);
        await writeProjections(state);
      }
      revision = seen;
    } catch (error) {
      state.log.warn({ error: describeError(error) }, "the store could not be followed");
      await pause(idlePollMs);
    }
  }
}

/** After a restore the first link is published as soon as nobody is waited for any more. */
async function settle({ env, layout, log }: AdminState): Promise<void> {
  if (!(await settleRestoration(env))) return;
  await rm(layout.restored, { force: true });
  log.info("every host was heard of after the restore: this domain publishes trust again");
}

/** Its Node Manager reports for this host too, but only now and then: gates wait for this. */
async function sayOwnState(state: AdminState): Promise<void> {
  const own = { adminProcess: state.observation(), proofs: state.proofs() };
  if (!(await isOwnProcessRecorded(state.env, state.hostId, own)))
    await recordOwnProcess(state.env, state.hostId, own);
}

/** The trust document names each Admin Node Manager's keys: a key that was forgotten leaves it too. */
async function refreshAdmins(state: AdminState): Promise<void> {
  if (await state.env.store.read(isWaitingForHosts)) return;
  const known = await state.env.store.read(async (view) =>
    knownNodeManager(view, await requireHost(view, state.hostId)),
  );
  const recorded = known.find(({ role }) => role === "anm")?.keys ?? [];
  const named =
    state.trust.document.admins.find((admin) => admin.id === state.nodeManagerId)?.keys ?? [];
  if (named.length <= recorded.length) return;
  const entry = {
    actor: "system:leader",
    action: "trust.refresh",
    subject: credentialId(state.nodeManagerId, "management"),
    detail: {},
  };
  await state.env.store.write(entry, (tx) => publishTrust(tx, state.env, {}));
}

/** Others write there too, and issuances raise no revision: so it is looked at now and then. */
async function keepAuthorityFolder(state: AdminState, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await state.authorityFolder.update().catch((error: unknown) => {
      state.log.warn({ error: describeError(error) }, "the folder of the CA could not be kept");
    });
    await sleep(folderEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Tells the hooks of findings that came or went. */
async function watchFindings(state: AdminState, signal: AbortSignal): Promise<void> {
  const watch = new FindingWatch();
  while (!signal.aborted) {
    await watch.look(state).catch((error: unknown) => {
      state.log.warn({ error: describeError(error) }, "the findings could not be told");
    });
    await pause(findingsEveryMs);
  }
}

async function sweep(state: AdminState, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    state.epochs.sweep();
    await pause(sweepEveryMs);
  }
}
