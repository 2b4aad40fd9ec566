import { fork } from "node:child_process";
import { cpuMsOf } from "../process-usage.ts";
import type { LoadEvent, LoadOrder } from "./load-order.ts";

export interface LoadFigures {
  readonly perSecond: number;
  /** Of the server processes, all threads, per answer. */
  readonly serverCpuMs: number;
  readonly clientCpuMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Runs a load process and reads the servers' processor time when its clock starts and stops. */
export function measureLoad(order: LoadOrder, serverPids: () => number[]): Promise<LoadFigures> {
  const child = fork(new URL("load-process.ts", import.meta.url), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const cpuMs = (): number => serverPids().reduce((sum, pid) => sum + cpuMsOf(pid), 0);
  return new Promise((resolve, reject) => {
    let before = { server: 0, client: 0 };
    let figures: LoadFigures | null = null;
    child.on("message", (event: LoadEvent) => {
      const now = { server: cpuMs(), client: cpuMsOf(child.pid ?? 0) };
      if (event.event === "started") before = now;
      else if (event.event === "failed") reject(new Error(event.text));
      else
        figures = {
          perSecond: event.answers / event.seconds,
          serverCpuMs: (now.server - before.server) / event.answers,
          clientCpuMs: (now.client - before.client) / event.answers,
          p50Ms: event.p50Ms,
          p99Ms: event.p99Ms,
        };
    });
    child.once("error", reject);
    child.once("exit", () =>
      figures === null
        ? reject(new Error("the load process ended without figures"))
        : resolve(figures),
    );
    child.send(order);
  });
}
