/** How often the condition is asked unless that costs much: most become true within milliseconds. */
const pollMsMin = 10;

/**
 * Resolves with the first truthy result of `condition`, and rejects after `deadlineMs` with an
 * error that names `what` was waited for. A condition that throws counts as not yet true; its
 * last error is the cause of the rejection.
 */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  { deadlineMs, what, pollMs = pollMsMin }: { deadlineMs: number; what: string; pollMs?: number },
): Promise<T> {
  const end = performance.now() + deadlineMs;
  let cause: unknown;
  do {
    try {
      const result = await condition();
      if (result) return result;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  } while (performance.now() < end);
  throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause });
}
