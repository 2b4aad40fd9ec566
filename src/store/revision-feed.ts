interface Waiting {
  readonly look: () => void;
  readonly giveUp: () => void;
}

/** Wakes those who wait for the feed revision to rise. */
export class RevisionFeed {
  readonly #waiting = new Set<Waiting>();

  /** Something may have raised the revision: everyone who waits looks again. */
  wake(): void {
    for (const { look } of this.#waiting) look();
  }

  /** Everyone who waits gets the present revision at once. */
  close(): void {
    for (const { giveUp } of this.#waiting) giveUp();
  }

  /**
   * Resolves with the first revision above `after` that `read` returns when woken, or with the
   * one it returns after `timeoutMs`.
   */
  wait(read: () => Promise<number>, after: number, timeoutMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const look = (enough: (revision: number) => boolean): void => {
        read().then(
          (revision) => {
            if (!enough(revision)) return;
            forget();
            resolve(revision);
          },
          (error: unknown) => {
            forget();
            reject(error instanceof Error ? error : new Error(String(error)));
          },
        );
      };
      const waiting = {
        look: () => look((revision) => revision > after),
        giveUp: () => look(() => true),
      };
      const timer = setTimeout(waiting.giveUp, timeoutMs);
      const forget = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      this.#waiting.add(waiting);
      waiting.look();
    });
  }
}
