import { dirname } from "node:path";
import { pino } from "pino";
import { Gateway } from "../../src/gateway/index.ts";
import type { InstanceKeeper, KeeperOf } from "../../src/node/instances.ts";

const log = pino({ level: "silent" });

/** Keeps a real gateway instance running inside this process, in place of a process of its own. */
class InProcessInstance implements InstanceKeeper {
  readonly #home: string;
  #gateway: Gateway | null = null;
  hasFailed = false;
  lastError = null;

  constructor(home: string) {
    this.#home = home;
  }

  get pid(): number | null {
    return this.#gateway === null ? null : process.pid;
  }

  async isRunning(): Promise<boolean> {
    return this.#gateway !== null;
  }

  async keepRunning(): Promise<void> {
    this.#gateway ??= await Gateway.start({
      home: this.#home,
      log,
      nowMs: () => Date.now(),
      monotonicMs: () => performance.now(),
      servicesAddress: "127.0.0.1",
    });
  }

  async signalReload(): Promise<boolean> {
    await this.#gateway?.reload();
    return this.#gateway !== null;
  }

  async keepStopped(): Promise<void> {
    await this.#gateway?.stop();
    this.#gateway = null;
  }
}

/** The instances that a Node Manager would start as processes, in this process. */
export const inProcess: KeeperOf = (_state, program) => {
  return new InProcessInstance(dirname(dirname(program.runFile)));
};
