import { isDomainError, type RolloutId } from "../kit/index.ts";
import { advanceRollout, type Leadership } from "../control/index.ts";
import type { Move } from "../planning/index.ts";
import type { AdminState } from "./admin-state.ts";

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
