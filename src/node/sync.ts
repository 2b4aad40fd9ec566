import { describeError, isDomainError } from "../kit/index.ts";
import type { AdminLink } from "./admin-link.ts";
import type { NodeState } from "./node-state.ts";

const waitMs = 20_000;
/** What peers have loaded raises no revision: so this is how often it is asked for. */
const presentationPollMs = 200;
const retryMsMin = 200;
const retryMsMax = 10_000;
/** Trust, and a certificate, may both be out of date, and change once more meanwhile. */
const mendedMax = 3;
/** An answer without news may still bring a newer host document; more often than this it is a loop. */
const emptyAnswerPauseMs = 20;

/**
 * Follows the host's desired state: one long question at a time. While no Admin Node Manager
 * answers, the last desired state stays in force; tries are spread with jitter.
 */
export async function followDesiredState(
  state: NodeState,
  link: AdminLink,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  /** What was mended is tried at once, but not forever. */
  let mended = 0;
  while (!signal.aborted) {
    try {
      await askOnce(state, link);
      state.refusal = null;
      failures = 0;
      mended = 0;
    } catch (error) {
      state.isConnected = false;
      state.refusal = isDomainError(error, "unreachable") ? null : describeError(error);
      const better = await link.recover(error).catch((reason: unknown) => {
        state.log.warn({ error: describeError(reason) }, "the host could not come back");
        return false;
      });
      failures += 1;
      if (failures === 1 || !isDomainError(error, "unreachable"))
        state.log.warn({ error: describeError(error), failures }, "no desired state");
      if (better) mended += 1;
      if (!better || mended > mendedMax)
        await pauseUnlessEnded(
          Math.min(retryMsMax, retryMsMin * 2 ** Math.min(failures, 10)) *
            (0.5 + Math.random() / 2),
          signal,
        );
    }
  }
}

async function askOnce(state: NodeState, link: AdminLink): Promise<void> {
  const known = state.received?.revision ?? 0;
  const connectedWaitMs = state.awaitsPresentation ? presentationPollMs : waitMs;
  const query = {
    revision: state.isConnected ? known : 0,
    epoch: state.trust.epoch,
    trustHash: state.trust.hash,
    waitMs: state.isConnected ? connectedWaitMs : 0,
    bootId: state.bootId,
  };
  const desired = await link.call("getDesiredState", { query }, query.waitMs);
  const isNewTrust = await state.acceptTrust(desired.trust, desired.hostDocument);
  const isNews = isNewTrust || !state.isConnected || desired.revision !== known;
  state.received = desired;
  state.isConnected = true;
  if (!isNews && !state.awaitsPresentation) return pauseUnlessEnded(emptyAnswerPauseMs, null);
  await state.saveDesired();
  state.wake();
}

function pauseUnlessEnded(ms: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
