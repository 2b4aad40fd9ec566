import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../kit/index.ts";

const deadlineMs = 90_000;
const pollMs = 150;

/**
 * Tries until `work` does not throw, and returns its answer. Throws `timeout` with the last reason,
 * and the reason of `ending` once that is aborted.
 */
export async function until<T>(
  what: string,
  work: () => Promise<T>,
  limitMs = deadlineMs,
  ending?: AbortSignal,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    ending?.throwIfAborted();
    try {
      return await work();
    } catch (cause) {
      if (performance.now() > endMs)
        throw new DomainError("timeout", `waited in vain until ${what}`, { cause });
      await sleep(pollMs, undefined, ending && { signal: ending });
    }
  }
}
