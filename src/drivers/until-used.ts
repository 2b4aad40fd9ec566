import { setTimeout as delay } from "node:timers/promises";
import { DomainError } from "../kit/index.ts";

const pollMs = 50;

/**
 * Resolves when the server of a member says that it uses its new certificate; `timeout` after
 * `withinMs`. What `isUsed` throws ends the wait: a server that has given up does not come back.
 */
export async function untilUsed(
  isUsed: () => Promise<boolean>,
  name: string,
  withinMs: number,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await isUsed())) {
    if (performance.now() > end)
      throw new DomainError(
        "timeout",
        `${name} did not use the certificate within ${withinMs / 1000} s: look at the server's log`,
      );
    await delay(pollMs);
  }
}
