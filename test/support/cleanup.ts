import { AsyncLocalStorage } from "node:async_hooks";
import { onTestFinished } from "vitest";

type Work = () => unknown;

const lasting = new AsyncLocalStorage<Work[]>();

/** Runs `work` when the running test has ended, or what was made inside `makeLasting` is removed. */
export function onEnd(work: Work): void {
  const works = lasting.getStore();
  if (works === undefined) onTestFinished(async () => void (await work()));
  else works.push(work);
}

/** What outlives a test: for `beforeAll`, with `remove` for `afterAll`. */
export interface Lasting<T> {
  readonly made: T;
  /** Newest first; all of it, then throws the first failure. */
  readonly remove: () => Promise<void>;
}

/** Makes what several tests use. If that fails, what was made so far is removed again. */
export async function makeLasting<T>(make: () => Promise<T>): Promise<Lasting<T>> {
  const works: Work[] = [];
  const remove = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (let work = works.pop(); work !== undefined; work = works.pop()) {
      try {
        await work();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    return { made: await lasting.run(works, make), remove };
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  }
}
