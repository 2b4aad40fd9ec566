import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, readMark, signalProcess, type ProcessMark } from "../transport/index.ts";
import type { Program } from "./processes.ts";
import type { NodeState } from "./node-state.ts";

const backOffMsMin = 250;
const backOffMsMax = 30_000;
/** A process that ran for this long has started well: the next failure begins with a short pause. */
const startedWellMs = 2_000;
const stopMsMax = 15_000;
const restartPollMs = 50;

/**
 * Keeps one process running, or stopped. A process that was started before this Node Manager is
 * adopted by pid and start time; one that dies is started again after a pause that doubles.
 */
export class Supervisor {
  readonly #state: NodeState;
  readonly #program: Program;
  #mark: ProcessMark | null = null;
  #startedAtMs = 0;
  #hasEnded = false;
  #hasLooked = false;
  #failures = 0;
  #retryAtMs = 0;
  #stoppingSinceMs: number | null = null;
  #ended: Promise<string> | null = null;
  #end: string | null = null;

  constructor(state: NodeState, program: Program) {
    this.#state = state;
    this.#program = program;
  }

  get pid(): number | null {
    return this.#mark?.pid ?? null;
  }

  get hasFailed(): boolean {
    return this.#mark === null && this.#failures > 0;
  }

  /**
   * Why it ended by itself, until it has run well again; null also for one that an earlier Node
   * Manager started.
   */
  get lastError(): string | null {
    return this.#end;
  }

  /** True if the process lives; adopts one that an earlier Node Manager started. */
  async isRunning(): Promise<boolean> {
    const wasRunning = this.#mark !== null;
    this.#mark ??= await readMark(this.#program.runFile);
    if (this.#mark !== null && !(await isAlive(this.#mark))) this.#mark = null;
    if (this.#mark === null && wasRunning) this.#hasEnded = true;
    if (this.#mark === null && !this.#hasLooked) this.#mark = await this.#program.find();
    this.#hasLooked = true;
    return this.#mark !== null;
  }

  /** True while a pause lasts, after it has ended by itself. */
  isPausing(nowMs: number): boolean {
    return this.#hasEnded || nowMs < this.#retryAtMs;
  }

  /** Starts the process if it does not run and its pause is over. */
  async keepRunning(nowMs: number): Promise<void> {
    this.#stoppingSinceMs = null;
    if (await this.isRunning()) {
      if (nowMs - this.#startedAtMs > startedWellMs) {
        this.#failures = 0;
        this.#end = null;
      }
      return;
    }
    if (this.#hasEnded) {
      this.#hasEnded = false;
      this.#retryAtMs = nowMs + Math.min(backOffMsMax, backOffMsMin * 2 ** this.#failures);
      this.#failures += 1;
      this.#state.log.warn(
        { process: this.#program.name, failures: this.#failures },
        "the process ended and will be started again",
      );
    }
    if (nowMs < this.#retryAtMs) return;
    await this.#start();
    this.#startedAtMs = nowMs;
    if (this.#mark === null) {
      this.#failures += 1;
      this.#retryAtMs = nowMs + Math.min(backOffMsMax, backOffMsMin * 2 ** this.#failures);
    }
    this.#state.log.info({ process: this.#program.name, startedPid: this.pid }, "started");
  }

  async #start(): Promise<void> {
    const { mark, ended } = await this.#program.start();
    this.#mark = mark;
    this.#ended = ended;
    void ended.then((reason) => {
      if (this.#ended !== ended) return;
      this.#end = reason;
      this.#state.log.warn({ process: this.#program.name, reason }, "the process ended");
      this.#state.wake();
    });
  }

  /**
   * Tells the process to load its files again. True if it was told: only one that has left its own
   * mark knows the signal, and another would end by it.
   */
  async signalReload(): Promise<boolean> {
    const mark = await readMark(this.#program.runFile);
    if (mark === null || mark.pid !== this.pid || !(await isAlive(mark))) return false;
    await signalProcess(mark, "SIGHUP");
    return true;
  }

  /** Asks the process to drain and end; after a while it is killed. */
  async keepStopped(nowMs: number, drainMsMax = stopMsMax): Promise<void> {
    this.#ended = null;
    this.#end = null;
    this.#failures = 0;
    this.#retryAtMs = 0;
    const isRunning = await this.isRunning();
    // It was told to.
    this.#hasEnded = false;
    if (!isRunning || this.#mark === null) {
      this.#stoppingSinceMs = null;
      return;
    }
    if (this.#stoppingSinceMs === null) {
      this.#stoppingSinceMs = nowMs;
      await signalProcess(this.#mark, this.#program.stopSignal ?? "SIGTERM");
    } else if (nowMs - this.#stoppingSinceMs > drainMsMax)
      await signalProcess(this.#mark, "SIGKILL");
  }

  /** Ends the process as `keepStopped` does, and starts it anew at once. */
  async restart(drainMsMax: number): Promise<void> {
    do {
      await this.keepStopped(performance.now(), drainMsMax);
      if (this.#mark !== null) await sleep(restartPollMs);
    } while (this.#mark !== null);
    await this.keepRunning(performance.now());
  }

  /** Ends a process that has not come to work yet: a later Node Manager would not find it. */
  async endUnlessWorking(): Promise<void> {
    const left = await readMark(this.#program.runFile);
    if (this.#mark !== null && left?.pid !== this.#mark.pid)
      await signalProcess(this.#mark, "SIGTERM");
  }
}
