import { setTimeout as sleep } from "node:timers/promises";
import { describeError, isDomainError, type RolloutId } from "../kit/index.ts";
import { advanceRollout, anchorHeads, type ChainHead, type Leadership } from "../control/index.ts";
import type { Move } from "../planning/index.ts";
import type { AdminState } from "./admin-state.ts";

/** Each is looked for whenever the chains are verified. */
const anchorEveryMs = 60_000;
const leadsYetEveryMs = 1_000;

/** The leader's next move; a step that needs a key which is not here is made by who has it. */
export async function advanceAsLeader(
  state: Pick<AdminState, "env" | "peers">,
  leadership: Leadership,
  id: RolloutId,
  heldSinceMs: number | null,
): Promise<Move> {
  try {
    return await advanceRollout(state.env, leadership, id, heldSinceMs);
  } catch (error) {
    if (!isDomainError(error, "authority-unavailable")) throw error;
    await state.peers.advance(id, leadership, error);
    return { do: "nothing" };
  }
}

/** As long as this process leads, it keeps the newest link of every log in its own. */
export async function anchorAudit(
  { env, candidate, nodeManagerId: writer, log }: AdminState,
  signal: AbortSignal,
): Promise<void> {
  let last: readonly ChainHead[] = [];
  while (!signal.aborted) {
    const { leadership } = candidate;
    if (leadership !== null)
      last = await anchorHeads(env, leadership, { writer, last }).catch((error: unknown) => {
        log.warn({ error: describeError(error) }, "the logs could not be anchored");
        return last;
      });
    const restMs = leadership === null ? leadsYetEveryMs : anchorEveryMs;
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }
}
