import { DomainError, isDomainError, type ProcessId } from "../kit/index.ts";

/** An instance whose management port gives no answer for this long is restarted, unless the environment says otherwise. */
const silenceSecondsDefault = 30;
/**
 * One call that was not answered counts for no more than this: a Node Manager that was itself
 * stopped for an hour saw no hour of silence.
 */
const missMsMax = 10_000;
/** The limit doubles with each restart that did not help, up to this many times. */
const doublingsMax = 5;

interface Silence {
  readonly pid: number | null;
  readonly restarts: number;
  readonly missedAtMs: number;
  /** How much of the silence was really listened to. */
  readonly heardMs: number;
}

/**
 * Decides which instances of a host live and do not answer any more, one at a time: a cause that
 * they share must not take all of them away at once. Times are of the monotonic clock.
 */
export class Liveness {
  readonly #limitMs: number;
  readonly #silences = new Map<ProcessId, Silence>();
  #restarting: ProcessId | null = null;

  constructor(limitMs = silenceMsMax()) {
    this.#limitMs = limitMs;
  }

  /** It answered, is meant to be stopped, or is gone for good. */
  forget(id: ProcessId): void {
    this.#silences.delete(id);
    if (this.#restarting === id) this.#restarting = null;
  }

  /** A call that was really made got no answer from the process `pid`. */
  missed(id: ProcessId, pid: number | null, nowMs: number): void {
    const before = this.#silences.get(id);
    if (before?.pid !== pid) {
      const restarts = (before?.restarts ?? 0) + (this.#restarting === id ? 1 : 0);
      this.#silences.set(id, { pid, restarts, missedAtMs: nowMs, heardMs: 0 });
      return;
    }
    const heardMs = before.heardMs + Math.min(missMsMax, nowMs - before.missedAtMs);
    this.#silences.set(id, { ...before, missedAtMs: nowMs, heardMs });
    const limitMs = this.#limitOf(before);
    // It was restarted in vain: the others have their turn first.
    if (this.#restarting === id && before.heardMs < limitMs && heardMs >= limitMs)
      this.#restarting = null;
  }

  /** True if this very process is to be stopped now, so that another one takes its place. */
  mustRestart(id: ProcessId, pid: number | null): boolean {
    const silence = this.#silences.get(id);
    if (silence === undefined || silence.pid !== pid) return false;
    if (silence.heardMs < this.#limitOf(silence)) return false;
    this.#restarting ??= id;
    return this.#restarting === id;
  }

  #limitOf({ restarts }: Silence): number {
    return this.#limitMs * 2 ** Math.min(doublingsMax, restarts);
  }
}

function silenceMsMax(): number {
  const seconds = Number(process.env["GATEHOUSE_SILENCE_SECONDS"] ?? silenceSecondsDefault);
  if (seconds > 0) return seconds * 1000;
  throw new DomainError(
    "invalid-input",
    "GATEHOUSE_SILENCE_SECONDS is not a number of seconds: correct it, or leave it out for 30",
  );
}

/**
 * True for a call that nothing answered. A refusal of a certificate is an answer: that process
 * lives, and a restart would not mend it.
 */
export function isSilence(error: unknown): boolean {
  if (isDomainError(error, "timeout")) return true;
  if (!isDomainError(error, "unreachable")) return false;
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return code === "ECONNREFUSED" || code === "ETIMEDOUT";
}
