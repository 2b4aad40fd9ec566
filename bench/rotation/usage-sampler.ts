import { cpuMsOf, residentMbOf } from "../process-usage.ts";

/** Processor time since the start, and the largest memory seen, of a set of processes. */
export class UsageSampler {
  readonly #pids: readonly number[];
  readonly #cpuMsAtStart: number;
  readonly #timer: NodeJS.Timeout;
  #residentMbMax = 0;

  constructor(pids: readonly number[]) {
    this.#pids = pids;
    this.#cpuMsAtStart = this.#cpuMs();
    this.#timer = setInterval(() => this.#look(), 250).unref();
    this.#look();
  }

  /** Ends the sampling. */
  end(): { cpuSeconds: number; residentMbMax: number } {
    clearInterval(this.#timer);
    this.#look();
    const cpuSeconds = (this.#cpuMs() - this.#cpuMsAtStart) / 1000;
    return { cpuSeconds, residentMbMax: this.#residentMbMax };
  }

  #cpuMs(): number {
    return this.#pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
  }

  #look(): void {
    const now = this.#pids.reduce((sum, pid) => sum + residentMbOf(pid), 0);
    this.#residentMbMax = Math.max(this.#residentMbMax, now);
  }
}
