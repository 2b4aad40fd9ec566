import { DomainError, type ProcessId } from "../kit/index.ts";
import type { HostObservation } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";

/** A start of a Node Manager (null: not told) at the Admin Node Manager that it calls. */
export interface IdentityClaim {
  readonly bootId: string | null;
  readonly at: ProcessId;
}

/**
 * True if another start has the host's identity at another Admin Node Manager. The rule: an identity
 * belongs to the start whose report was taken last, for as long as a host may be quiet without
 * counting as silent. Whoever took that report knows better, since it sees whether the connection
 * is still there: it decides by that alone. So a copy of a home folder gets in nowhere while its
 * original reports, and a Node Manager that was started anew is let in at once where it was before,
 * and elsewhere after `silentAfterSeconds`. A time in the future by more than that is another
 * clock's error, and locks nobody out.
 */
export function isUsedElsewhere(
  env: Pick<ControlEnvironment, "clock" | "policy">,
  last: Pick<HostObservation, "bootId" | "receivedBy" | "receivedAtMs"> | undefined,
  { bootId, at }: IdentityClaim,
): boolean {
  if (last?.receivedBy === undefined || last.receivedBy === at || last.bootId === bootId)
    return false;
  const agoMs = Math.abs(env.clock.nowMs() - last.receivedAtMs);
  return agoMs <= env.policy.silentAfterSeconds * 1000;
}

/** The refusal of another start. `host`: its id or name. */
export function identityInUse(host: string): DomainError {
  return new DomainError(
    "identity-in-use",
    `another process uses the identity of ${host}: stop it; if the home folder was copied, delete the host and join both anew`,
  );
}
