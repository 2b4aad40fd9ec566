import { fork, spawn, type ChildProcess, type ForkOptions } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { LoadCounts, LoadOrder } from "./load.ts";

const programs = {
  upstream: "./upstream.js",
  load: "./load.js",
  gatehouse: "../cli/gatehouse.js",
} as const;

const withChannel: ForkOptions = {
  detached: true,
  stdio: ["ignore", "ignore", "inherit", "ipc"],
};

function pathOf(program: keyof typeof programs): string {
  return fileURLToPath(import.meta.resolve(programs[program]));
}

/**
 * Every process that the demonstration started itself, each in a session of its own: a signal to
 * our process group reaches us alone, and we end them.
 */
export class Children {
  readonly #running = new Set<ChildProcess>();

  #keep(child: ChildProcess): ChildProcess {
    this.#running.add(child);
    child.once("exit", () => this.#running.delete(child));
    return child;
  }

  /** Starts the upstream servers; resolves with their ports. */
  startUpstreams(): Promise<number[]> {
    const child = this.#keep(fork(pathOf("upstream"), withChannel));
    return new Promise((resolve, reject) => {
      child.once("message", (message: { ports: number[] }) => resolve(message.ports));
      child.once("exit", (code) =>
        reject(new Error(`the upstream servers ended with status ${code}`)),
      );
    });
  }

  /** Starts the load generator. `onCounts` is called every half second. */
  startLoad(order: LoadOrder, onCounts: (counts: LoadCounts) => void): { stop(): Promise<void> } {
    const child = this.#keep(fork(pathOf("load"), withChannel));
    child.on("message", (counts: LoadCounts) => onCounts(counts));
    child.send(order);
    return {
      stop: () =>
        new Promise((resolve) => {
          child.once("exit", () => resolve());
          child.send({ stop: true });
        }),
    };
  }

  /** Runs a Node Manager on a home folder, as `gatehouse node run` does. */
  startNode(home: string, logFile: string): void {
    const log = openSync(logFile, "a", 0o600);
    this.#keep(
      spawn(process.execPath, [pathOf("gatehouse"), "--home", home, "node", "run"], {
        detached: true,
        stdio: ["ignore", log, log],
      }),
    );
    closeSync(log);
  }

  /** Ends everything that still runs; resolves when it has ended. */
  async stop(): Promise<void> {
    const ended = [...this.#running].map(
      (child) => new Promise<void>((resolve) => child.once("exit", () => resolve())),
    );
    for (const child of this.#running) {
      if (child.connected) child.disconnect();
      child.kill("SIGTERM");
    }
    await Promise.all(ended);
  }
}
