/** What is known of one upstream: unknown counts as healthy, so that a start does not wait. */
export interface UpstreamHealth {
  readonly healthy: boolean;
  /** Active checks that failed since the last one that did not. */
  readonly failures: number;
}

export const unknownHealth: UpstreamHealth = { healthy: true, failures: 0 };

/** One failed check may be a hiccup; the second takes the upstream out. */
const failuresMax = 2;

export type HealthEvent = "check-passed" | "check-failed" | "connect-failed";

/** The health after an event. A failed connect takes the upstream out at once, one good check puts it back. */
export function nextHealth(health: UpstreamHealth, event: HealthEvent): UpstreamHealth {
  switch (event) {
    case "check-passed":
      return unknownHealth;
    case "connect-failed":
      return { healthy: false, failures: failuresMax };
    case "check-failed": {
      const failures = health.failures + 1;
      return { healthy: health.healthy && failures < failuresMax, failures };
    }
  }
}

/**
 * The order in which to try upstreams for the `turn`-th request: the healthy ones in turn, then the
 * others in turn, since a check may be wrong and trying costs no more than refusing.
 */
export function orderOfTrial<Upstream extends { readonly healthy: boolean }>(
  upstreams: readonly Upstream[],
  turn: number,
): Upstream[] {
  const rotated = (list: readonly Upstream[]): Upstream[] => {
    const start = list.length === 0 ? 0 : turn % list.length;
    return [...list.slice(start), ...list.slice(0, start)];
  };
  return [
    ...rotated(upstreams.filter((upstream) => upstream.healthy)),
    ...rotated(upstreams.filter((upstream) => !upstream.healthy)),
  ];
}
