import { createHash } from "node:crypto";
import type { HostId, ProcessId } from "../kit/index.ts";
import type { KnownProcess } from "../domain/index.ts";

const retryMsMin = 1_000;
const retryMsMax = 10_000;
/** Between half and one and a half of this a host stays with another than it prefers: no herd returns. */
const returnAfterMs = 120_000;
/** The Admin Node Manager on this host has no other host that prefers it so. */
const returnHomeAfterMs = 5_000;

interface Failure {
  readonly count: number;
  readonly atMs: number;
  readonly retryAtMs: number;
}

/**
 * Which Admin Node Manager a host calls. It prefers its own host's, then the others in an order
 * that a hash of both ids gives it, so that the hosts spread over the Admin Node Managers and those
 * of one that dies spread over the rest. It stays with the one that answers; some time after it had
 * to leave those it prefers, it looks at them again.
 */
export class AdminChoice {
  readonly #hostId: HostId;
  readonly #monotonicMs: () => number;
  readonly #random: () => number;
  readonly #failures = new Map<ProcessId, Failure>();
  #current: ProcessId | null = null;
  #returnAtMs: number | null = null;

  /** `random` gives numbers from 0 up to 1. */
  constructor(
    hostId: HostId,
    of: { monotonicMs: () => number; random: () => number } = {
      monotonicMs: () => performance.now(),
      random: Math.random,
    },
  ) {
    this.#hostId = hostId;
    this.#monotonicMs = of.monotonicMs;
    this.#random = of.random;
  }

  /** All of them, the preferred one first. */
  order(admins: readonly KnownProcess[]): KnownProcess[] {
    const rank = ({ id, hostId }: KnownProcess): string =>
      hostId === this.#hostId
        ? ""
        : createHash("sha256").update(`${this.#hostId} ${id}`).digest("hex");
    return admins
      .map((admin) => ({ admin, rank: rank(admin) }))
      .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
      .map(({ admin }) => admin);
  }

  /**
   * The one to call: the one that is called, else the most preferred whose last failure is not too
   * fresh. Null if this call has tried all of those. With nothing tried yet there always is one, if
   * any is named: without a better one, that which failed longest ago.
   */
  choose(
    admins: readonly KnownProcess[],
    tried: ReadonlySet<ProcessId> = new Set(),
  ): KnownProcess | null {
    const left = this.order(admins).filter(({ id }) => !tried.has(id));
    const chosen =
      left.find(({ id }) => id === this.#current) ??
      left.find(({ id }) => (this.#failures.get(id)?.retryAtMs ?? 0) <= this.#monotonicMs()) ??
      (tried.size > 0
        ? undefined
        : left.toSorted((a, b) => this.#failedAt(a) - this.#failedAt(b))[0]);
    if (chosen !== undefined) this.moveTo(chosen.id);
    return chosen ?? null;
  }

  #failedAt({ id }: KnownProcess): number {
    return this.#failures.get(id)?.atMs ?? 0;
  }

  /** From now on this one is called. */
  moveTo(id: ProcessId): void {
    if (this.#current !== id) this.#returnAtMs = null;
    this.#current = id;
  }

  answered(id: ProcessId): void {
    this.#failures.delete(id);
  }

  /** It is not chosen for a while, which grows with every failure in a row. */
  failed(id: ProcessId): void {
    const count = (this.#failures.get(id)?.count ?? 0) + 1;
    const atMs = this.#monotonicMs();
    const pauseMs =
      Math.min(retryMsMax, retryMsMin * 2 ** (count - 1)) * (0.5 + this.#random() / 2);
    this.#failures.set(id, { count, atMs, retryAtMs: atMs + pauseMs });
    if (this.#current === id) this.#current = null;
  }

  /** Those preferred to the one that is called, when it is time to see whether they are back. */
  dueReturn(admins: readonly KnownProcess[]): KnownProcess[] {
    const order = this.order(admins);
    const preferred = order.slice(
      0,
      Math.max(
        0,
        order.findIndex(({ id }) => id === this.#current),
      ),
    );
    const [first] = preferred;
    if (first === undefined) return [];
    const nowMs = this.#monotonicMs();
    const isDue = this.#returnAtMs !== null && nowMs >= this.#returnAtMs;
    if (this.#returnAtMs !== null && !isDue) return [];
    const meanMs = first.hostId === this.#hostId ? returnHomeAfterMs : returnAfterMs;
    this.#returnAtMs = nowMs + meanMs * (0.5 + this.#random());
    return isDue ? preferred : [];
  }
}
