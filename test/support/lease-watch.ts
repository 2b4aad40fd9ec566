import type { DatabaseSession, PostgresServer } from "./postgresql.ts";
import { onEnd } from "./cleanup.ts";

const pauseMs = 100;

/** The leader's lease as it was seen in the database, every change of it. */
export interface LeaseChange {
  readonly atMs: number;
  readonly holder: string;
  readonly fencingToken: number;
}

/** Looks at the leader's lease in the database all the time. */
export class LeaseWatch {
  readonly changes: LeaseChange[] = [];
  readonly #primary: () => PostgresServer;
  readonly #database: string;
  #isStopping = false;
  #done: Promise<void> = Promise.resolve();

  private constructor(primary: () => PostgresServer, database: string) {
    this.#primary = primary;
    this.#database = database;
  }

  /** `primary`: the server to ask at this moment. */
  static start(primary: () => PostgresServer, database: string): LeaseWatch {
    const watch = new LeaseWatch(primary, database);
    watch.#done = watch.#look();
    onEnd(async () => {
      watch.#isStopping = true;
      await watch.#done;
    });
    return watch;
  }

  async #look(): Promise<void> {
    let session: DatabaseSession | null = null;
    let last = "";
    while (!this.#isStopping) {
      try {
        session ??= await this.#primary().connect(this.#database);
        const rows = await session.query("select holder, fencing_token, renewals from leases");
        const [lease = {}] = rows;
        const seen = JSON.stringify(lease);
        if (seen !== last)
          this.changes.push({
            atMs: performance.now(),
            holder: String(lease["holder"]),
            fencingToken: Number(lease["fencing_token"]),
          });
        last = seen;
      } catch {
        // The server is away, or another one took its place.
        await session?.end();
        session = null;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    await session?.end();
  }

  get holder(): string {
    return this.changes.at(-1)?.holder ?? "";
  }
}

/** The longest time between two events that follow each other, in seconds, as far as it is after `fromMs`. */
export function longestGapSeconds(events: readonly { atMs: number }[], fromMs: number): number {
  let longestMs = 0;
  for (const [i, { atMs }] of events.entries()) {
    const previousMs = Math.max(fromMs, events[i - 1]?.atMs ?? fromMs);
    longestMs = Math.max(longestMs, atMs - previousMs);
  }
  return longestMs / 1000;
}
