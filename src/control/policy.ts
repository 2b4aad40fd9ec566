import { DomainError } from "../kit/index.ts";

/** The numbers by which a domain lives; the defaults are those of the design. */
export interface Policy {
  readonly leafLifetimeSeconds: number;
  /** Share of a leaf's life after which its renewal slot opens, and how long the slot is. */
  readonly renewAfterShare: number;
  readonly renewalSlotShare: number;
  /** How many leaves an Admin Node Manager renews in a second; of those that ask, the earliest end first. */
  readonly renewalsPerSecond: number;
  readonly authorityLifetimeSeconds: number;
  readonly probeLifetimeSeconds: number;
  /** Certificates are valid from this long before their issuing, for clocks that run late. */
  readonly backdateSeconds: number;
  /** A host or relying party not heard of for this long counts as silent. */
  readonly silentAfterSeconds: number;
  /** A host that was away for longer is quarantined when it returns. */
  readonly rejoinWindowSeconds: number;
  readonly sessionLifetimeSeconds: number;
  readonly nonceLifetimeSeconds: number;
  readonly planLifetimeSeconds: number;
  /** A leader that did not renew its lease for this long is replaced. */
  readonly leaseSeconds: number;
  /** Every credential has to last at least this long without the control plane. */
  readonly horizonMinSeconds: number;
}

const day = 86_400;

export const defaultPolicy: Policy = {
  leafLifetimeSeconds: 30 * day,
  renewAfterShare: 1 / 3,
  renewalSlotShare: 1 / 12,
  renewalsPerSecond: 50,
  authorityLifetimeSeconds: 3650 * day,
  probeLifetimeSeconds: 600,
  backdateSeconds: 3600,
  silentAfterSeconds: 15,
  rejoinWindowSeconds: 90 * day,
  sessionLifetimeSeconds: 12 * 3600,
  nonceLifetimeSeconds: 120,
  planLifetimeSeconds: day,
  leaseSeconds: 5,
  horizonMinSeconds: 10 * day,
};

/**
 * The policy with some numbers replaced; the minimum of the horizon is a third of a leaf's life where
 * it is not given.
 */
export function policyWith(changes: Partial<Policy>): Policy {
  const { leafLifetimeSeconds = defaultPolicy.leafLifetimeSeconds } = changes;
  return { ...defaultPolicy, horizonMinSeconds: leafLifetimeSeconds / 3, ...changes };
}

/** Refuses a policy under which certificates would not last its own minimum. Throws `invalid-input`. */
export function checkPolicy(policy: Policy): void {
  const { leafLifetimeSeconds, horizonMinSeconds, authorityLifetimeSeconds } = policy;
  const renewedBy = leafLifetimeSeconds * (policy.renewAfterShare + policy.renewalSlotShare);
  const lasts = leafLifetimeSeconds - renewedBy;
  const days = (seconds: number): string => (seconds / day).toFixed(1);
  if (lasts < horizonMinSeconds)
    throw new DomainError(
      "invalid-input",
      `the policy contradicts itself: leaves of ${days(leafLifetimeSeconds)} days that are renewed after ${days(renewedBy)} last ${days(lasts)} days without the control plane at least, and the minimum is ${days(horizonMinSeconds)}: make leafLifetimeSeconds longer, or horizonMinSeconds, renewAfterShare or renewalSlotShare smaller`,
    );
  if (authorityLifetimeSeconds < leafLifetimeSeconds)
    throw new DomainError(
      "invalid-input",
      `the policy contradicts itself: the CA would last ${days(authorityLifetimeSeconds)} days and its leaves ${days(leafLifetimeSeconds)}: make authorityLifetimeSeconds longer`,
    );
}
