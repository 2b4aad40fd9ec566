import { isDomainError, type Clock } from "../kit/index.ts";
import type { Lease, Store } from "./ports.ts";

/** Proof of leadership; read again in every transaction that only a leader may make. */
export interface Leadership {
  readonly lease: string;
  readonly fencingToken: number;
}

const leaseName = "leader";

/**
 * One candidate for the domain's leadership. It claims the lease once it saw it unchanged for one
 * full lease on its own monotonic clock: no wall clock decides, nor does anybody else's. It renews
 * what it holds, and counts itself as the leader only for one lease after the beginning of its last
 * renewal. Two may count themselves so for a moment, where one was stopped: the fencing token that
 * each of their transactions reads lets only the newer one write.
 */
export class LeaseCandidate {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #holder: string;
  readonly #leaseMs: number;
  readonly #isAlone: () => boolean;
  #held: { readonly lease: Lease; readonly sinceMs: number } | null = null;
  #seen: { readonly lease: Lease; readonly sinceMs: number } | null = null;

  /** `isAlone`: nobody else can be a candidate, as with a lock on the home folder; then it need not watch. */
  constructor(of: {
    readonly store: Store;
    readonly clock: Clock;
    readonly holder: string;
    readonly leaseMs: number;
    readonly isAlone: () => boolean;
  }) {
    this.#store = of.store;
    this.#clock = of.clock;
    this.#holder = of.holder;
    this.#leaseMs = of.leaseMs;
    this.#isAlone = of.isAlone;
  }

  /** What this process may lead with at this moment; null: it does not lead. */
  get leadership(): Leadership | null {
    const held = this.#held;
    if (held === null || this.#clock.monotonicMs() - held.sinceMs >= this.#leaseMs) return null;
    return { lease: leaseName, fencingToken: held.lease.fencingToken };
  }

  /** How long until the next look; several looks fit into a lease. */
  get pauseMs(): number {
    return this.#leaseMs / 5;
  }

  /** Renews the lease, watches it, or claims it. Rejects where the store cannot be reached. */
  async look(): Promise<void> {
    const sinceMs = this.#clock.monotonicMs();
    if (this.#held !== null) {
      if (await this.#renew(this.#held.lease, sinceMs)) return;
      this.#held = null;
    }
    const lease = await this.#store.note((tx) => tx.leases.get(leaseName));
    if (lease !== undefined && !this.#isAlone() && !this.#isLapsed(lease)) return;
    await this.#claim(lease, sinceMs);
  }

  async #renew(lease: Lease, sinceMs: number): Promise<boolean> {
    try {
      this.#held = { sinceMs, lease: await this.#store.note((tx) => tx.leases.renew(lease)) };
      return true;
    } catch (error) {
      if (isDomainError(error, "not-leader")) return false;
      throw error;
    }
  }

  /** Seen unchanged for one full lease, counted from the end of the look that first saw it. */
  #isLapsed(lease: Lease): boolean {
    const nowMs = this.#clock.monotonicMs();
    const isSame =
      this.#seen?.lease.fencingToken === lease.fencingToken &&
      this.#seen.lease.renewals === lease.renewals;
    if (!isSame) this.#seen = { lease, sinceMs: nowMs };
    return this.#seen !== null && nowMs - this.#seen.sinceMs >= this.#leaseMs;
  }

  async #claim(seen: Lease | undefined, sinceMs: number): Promise<void> {
    try {
      const lease = await this.#store.note((tx) => tx.leases.claim(leaseName, this.#holder, seen));
      this.#held = { lease, sinceMs };
    } catch (error) {
      // Another candidate was faster: it is watched from now on.
      if (!isDomainError(error, "conflict")) throw error;
    }
  }
}
