import { once } from "node:events";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { onEnd } from "./cleanup.ts";
import type { LoadMessage, LoadOrder, LoadReport } from "./gateway-load.ts";
import { spawnAt, type NetworkHost } from "./network.ts";

/** A process on a host of a test network, which serves as upstream and calls gateways. */
export class HostLoad {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start({ exec }: NetworkHost): Promise<HostLoad> {
    const script = join(import.meta.dirname, "load-process.ts");
    const child = spawnAt(exec, [process.execPath, script], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    onEnd(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    await once(child, "message");
    return new HostLoad(child);
  }

  /** Begins to call; the calls go on until the process ends. */
  call(order: LoadOrder): void {
    this.#child.send(order);
  }

  /** What was seen so far, by target in the order given. */
  async report(): Promise<LoadReport> {
    this.#child.send("report" satisfies LoadMessage);
    const [report] = (await once(this.#child, "message")) as [LoadReport];
    return report;
  }
}
