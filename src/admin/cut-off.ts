import { DomainError, isDomainError } from "../kit/index.ts";
import { readSnapshot, type LastKnown, type Store, type StoreView } from "../control/index.ts";
import type { DomainSnapshot } from "../planning/index.ts";
import type { AdminState } from "./admin-state.ts";

/**
 * What showing the domain takes of an Admin Node Manager. One that cannot reach its store shows what
 * it knew last, and says so; everything else it refuses.
 */
export type Reading = Pick<
  AdminState,
  | "env"
  | "presence"
  | "strays"
  | "reports"
  | "auditFindings"
  | "trust"
  | "hostId"
  | "log"
  | "refreshTrust"
  | "peers"
  | "candidate"
> & {
  /** Null: the store is there. */
  readonly cutOff: LastKnown | null;
};

/** Runs `work` on the store or, while that cannot be reached, on what was last known of it. */
export async function readOrRecall<T>(
  state: AdminState,
  work: (reading: Reading) => Promise<T>,
): Promise<{ readonly answer: T; readonly cutOff: LastKnown | null }> {
  if (state.env.store.lastKnown() === null) {
    try {
      return { answer: await work(state), cutOff: null };
    } catch (error) {
      if (!isDomainError(error, "store-unavailable")) throw error;
      if (state.env.store.lastKnown() === null) throw error;
    }
  }
  const reading = recall(state);
  return { answer: await work(reading), cutOff: reading.cutOff };
}

/** The moment that is shown: the present one, or that of what was last known. */
export function shownAtMs({ env, cutOff }: Pick<Reading, "env" | "cutOff">): number {
  return cutOff?.asOfMs ?? env.clock.nowMs();
}

/** Everything that plans and gates look at, at the moment that is shown. */
export function shownSnapshot(reading: Reading, view: StoreView): Promise<DomainSnapshot> {
  const { clock, policy } = reading.env;
  const shownClock = {
    nowMs: () => shownAtMs(reading),
    monotonicMs: () => clock.monotonicMs(),
  };
  return readSnapshot(view, { clock: shownClock, policy }, 0);
}

function recall(state: AdminState): Reading {
  const cutOff = state.env.store.lastKnown();
  const { presence, strays, reports, auditFindings, trust, hostId, log, peers, candidate } = state;
  const refreshTrust = async (): Promise<void> => {};
  const env = cutOff === null ? state.env : { ...state.env, store: recalled(cutOff) };
  const own = { presence, strays, reports, auditFindings, trust, hostId, log, peers, candidate };
  return { ...own, env, refreshTrust, cutOff };
}

function recalled(known: LastKnown): Store {
  const refuse = (): never => {
    throw new DomainError("store-unavailable", "nothing can be written while the store is away");
  };
  return {
    read: (work) => work(known.view),
    revision: async () => known.revision,
    waitForRevision: async () => known.revision,
    lastKnown: () => known,
    write: refuse,
    note: refuse,
    close: refuse,
  };
}
