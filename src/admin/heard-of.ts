import type { Host, HostObservation } from "../domain/index.ts";
import { isSilent, type DomainSnapshot } from "../planning/index.ts";
import type { AdminState } from "./admin-state.ts";
import { shownAtMs, type Reading } from "./cut-off.ts";

/**
 * True if the host's Node Manager is connected here, or some Admin Node Manager has heard of it
 * lately. One that was revoked is not heard, whatever it said before.
 */
export function isHeardOf(
  state: Pick<AdminState, "presence">,
  now: Pick<DomainSnapshot, "nowMs" | "silentAfterMs">,
  { id, status }: Pick<Host, "id" | "status">,
  last: Pick<HostObservation, "receivedAtMs"> | undefined,
): boolean {
  return state.presence.isConnected(id) || (status === "active" && !isSilent(now, last));
}

/** The moment that is shown, for `isHeardOf`. */
export function shownMoment(
  reading: Pick<Reading, "env" | "cutOff">,
): Pick<DomainSnapshot, "nowMs" | "silentAfterMs"> {
  return {
    nowMs: shownAtMs(reading),
    silentAfterMs: reading.env.policy.silentAfterSeconds * 1000,
  };
}
