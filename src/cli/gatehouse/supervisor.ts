import { spawn, type ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ensureFolder, writeFileAtomic } from "../../keys/index.ts";
import { markOf } from "../../transport/index.ts";
import { nodeStatus } from "../node-control.ts";
import type { Terminal } from "../terminal.ts";

const backOffMsMin = 200;
const backOffMsMax = 10_000;
/** A Node Manager that ran for this long has started well: the next failure begins with a short pause. */
const startedWellMs = 10_000;
const readyPollMs = 100;

/** Where the supervisor of a home says which process it is. */
export const supervisorFile = (home: string): string => join(home, "run", "supervisor.json");

const nodeProgram = fileURLToPath(import.meta.resolve("../../node/main.js"));

interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Keeps the Node Manager of a home running in the foreground until it ends by itself with status 0
 * or this process is told to end. One that never came up and says why is not started again: its
 * status is this one's. Resolves with the exit status.
 */
export async function superviseNode(
  home: string,
  terminal: Terminal,
  isSupervised: boolean,
): Promise<number> {
  const ending = new AbortController();
  let child: ChildProcess | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    ending.abort();
    child?.kill(signal);
  };
  process.removeAllListeners("SIGINT");
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  if (isSupervised) await leaveMark(home);
  let wasReady = false;
  let pauseMs = backOffMsMin;
  try {
    for (;;) {
      const startedAtMs = performance.now();
      child = spawn(process.execPath, [nodeProgram, "--home", home], {
        stdio: ["ignore", "inherit", "inherit"],
      });
      const ended = endOf(child);
      void whenReady(home, child, () => (wasReady = true));
      const { status, signal } = await ended;
      if (status === 0 || ending.signal.aborted) return 0;
      if (!isSupervised || (!wasReady && status !== null)) return status ?? 1;
      if (performance.now() - startedAtMs > startedWellMs) pauseMs = backOffMsMin;
      terminal.err(
        `gatehouse: the Node Manager ended with ${signal ?? `status ${status}`}: it is started again in ${pauseMs} ms`,
      );
      await sleep(pauseMs, undefined, { signal: ending.signal }).catch(() => undefined);
      if (ending.signal.aborted) return 0;
      pauseMs = Math.min(pauseMs * 2, backOffMsMax);
    }
  } finally {
    if (isSupervised) await rm(supervisorFile(home), { force: true });
  }
}

async function leaveMark(home: string): Promise<void> {
  await ensureFolder(join(home, "run"), 0o700);
  await writeFileAtomic(supervisorFile(home), JSON.stringify(await markOf(process.pid)), {
    mode: 0o600,
  });
}

function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => resolve({ status, signal }));
  });
}

async function whenReady(home: string, child: ChildProcess, tell: () => void): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const status = await nodeStatus(home).catch(() => null);
    if (status?.pid === child.pid) return tell();
    await sleep(readyPollMs);
  }
}
