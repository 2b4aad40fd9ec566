import { DomainError } from "../kit/index.ts";
import type {
  AuditEntry,
  LastKnown,
  Store,
  StoreTransaction,
  StoreView,
} from "../control/index.ts";

/** A store that can be replaced by another while it is in use: calls wait, none fails. */
export class SwitchableStore implements Store {
  #current: Store;
  /** Resolves when a running replacement has ended. */
  #switching: Promise<void> | null = null;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(store: Store) {
    this.#current = store;
  }

  read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    return this.#use((store) => store.read(work));
  }

  write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#use((store) => store.write(audit, work));
  }

  note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#use((store) => store.note(work));
  }

  revision(): Promise<number> {
    return this.#use((store) => store.revision());
  }

  /** Those who wait do not hold up a replacement: the old store answers them when it is closed. */
  async waitForRevision(after: number, timeoutMs: number): Promise<number> {
    await this.#switching;
    return this.#current.waitForRevision(after, timeoutMs);
  }

  lastKnown(): LastKnown | null {
    return this.#current.lastKnown();
  }

  async close(): Promise<void> {
    await this.#switching;
    await this.#current.close();
  }

  /**
   * Runs `prepare` while nothing reads or writes, and goes on with the store that it returns; with
   * the present one if it throws. Throws `conflict` while another replacement is under way.
   */
  async switchTo(prepare: () => Promise<Store>): Promise<void> {
    if (this.#switching !== null)
      throw new DomainError(
        "conflict",
        "the store is being moved already: wait until that has ended",
      );
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#switching = promise;
    try {
      await Promise.allSettled(this.#underWay);
      const old = this.#current;
      this.#current = await prepare();
      await old.close();
    } finally {
      this.#switching = null;
      resolve();
    }
  }

  async #use<T>(call: (store: Store) => Promise<T>): Promise<T> {
    while (this.#switching !== null) await this.#switching;
    const result = call(this.#current);
    this.#underWay.add(result);
    try {
      return await result;
    } finally {
      this.#underWay.delete(result);
    }
  }
}
