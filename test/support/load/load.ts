import { setTimeout as pause } from "node:timers/promises";
import { onEnd } from "../cleanup.ts";
import type { ClientTls, Target, Wire } from "./wire.ts";

/** What a client of one kind of server says. */
export interface Protocol {
  /** A connection that is ready for calls of this worker. */
  connect(target: Target, tls: ClientTls | null, worker: string): Promise<Wire>;
  /** One operation; the server acknowledges it, or it throws. */
  call(wire: Wire, worker: string, sequence: number): Promise<void>;
  /** The sequences that the server holds of this worker's calls; absent: it keeps none. */
  held?(wire: Wire, worker: string): Promise<Set<number>>;
}

export interface LoadOrder {
  readonly protocol: Protocol;
  /** The first is called until an operation fails there; then the next, and so round. */
  readonly targets: readonly Target[];
  /** Asked for every connection; absent: no TLS. */
  readonly tls?: () => ClientTls;
  /** Workers that keep a connection, and those that make one for every operation; 2 and 1. */
  readonly kept?: number;
  readonly fresh?: number;
  readonly pauseMs?: { readonly kept: number; readonly fresh: number };
}

interface LoadResult {
  /** Those that were acknowledged. */
  readonly operations: number;
  readonly failed: number;
  /** Of `failed`, each: when, and why. */
  readonly failures: readonly string[];
  /** Calls on a reused connection that was closed before the first byte of an answer; not in `failed`. */
  readonly idleCloses: number;
  /** Acknowledged operations that the server does not hold at the end. */
  readonly lostWrites: number;
  /** The longest time without any acknowledged operation. */
  readonly longestGapMs: number;
}

export interface Load {
  /** Acknowledged so far. */
  operations(): number;
  failures(): readonly string[];
  stop(): Promise<LoadResult>;
}

/**
 * Calls servers as clients do that retry nothing: every failure counts. It ends with the test, if it
 * is not stopped before.
 */
export function startLoad(order: LoadOrder): Load {
  const { protocol, targets, tls, kept = 2, fresh = 1, pauseMs } = order;
  const pauses = pauseMs ?? { kept: 10, fresh: 50 };
  const begin = performance.now();
  const failures: string[] = [];
  const acknowledged = new Map<string, number[]>();
  let [operations, idleCloses, longestGapMs, lastAt] = [0, 0, 0, begin];
  let isStopping = false;
  const connect = (at: number, worker: string): Promise<Wire> =>
    protocol.connect(targets[at % targets.length] as Target, tls?.() ?? null, worker);

  const work = async (worker: string, keeps: boolean): Promise<void> => {
    const done: number[] = [];
    acknowledged.set(worker, done);
    let wire: Wire | null = null;
    let [at, callsOnWire] = [0, 0];
    for (let sequence = 1; !isStopping; sequence += 1) {
      try {
        if (wire === null || wire.isClosed) {
          wire = await connect(at, worker);
          callsOnWire = 0;
        }
        await protocol.call(wire, worker, sequence);
        done.push(sequence);
        operations += 1;
        callsOnWire += 1;
        const now = performance.now();
        longestGapMs = Math.max(longestGapMs, now - lastAt);
        lastAt = now;
      } catch (error) {
        const isIdleClose = wire !== null && callsOnWire > 0 && wire.isClosed && !wire.isAnswered;
        if (isIdleClose) idleCloses += 1;
        else failures.push(`${Math.round(performance.now() - begin)} ms: ${String(error)}`);
        wire?.close();
        wire = null;
        if (!isIdleClose) at += 1;
      }
      if (!keeps) {
        wire?.close();
        wire = null;
      }
      await pause(keeps ? pauses.kept : pauses.fresh);
    }
    wire?.close();
  };

  const lost = async (worker: string, sequences: readonly number[]): Promise<number> => {
    for (let at = 0; protocol.held !== undefined; at += 1) {
      try {
        const wire = await connect(at, worker);
        const held = await protocol.held(wire, worker).finally(() => wire.close());
        return sequences.filter((each) => !held.has(each)).length;
      } catch (error) {
        if (at + 1 >= targets.length) throw error;
      }
    }
    return 0;
  };

  const workers = [
    ...Array.from({ length: kept }, (_, i) => work(`kept${i}`, true)),
    ...Array.from({ length: fresh }, (_, i) => work(`fresh${i}`, false)),
  ];
  onEnd(() => (isStopping = true));
  return {
    operations: () => operations,
    failures: () => failures,
    stop: async () => {
      isStopping = true;
      await Promise.all(workers);
      let lostWrites = 0;
      for (const [worker, sequences] of acknowledged) lostWrites += await lost(worker, sequences);
      const gapMs = Math.round(longestGapMs);
      const failed = failures.length;
      return { operations, failed, failures, idleCloses, lostWrites, longestGapMs: gapMs };
    },
  };
}
