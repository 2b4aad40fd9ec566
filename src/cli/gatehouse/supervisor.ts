import { spawn, type ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCodes } from "../../kit/index.ts";
import { ensureFolder, writeFileAtomic, type Passphrases } from "../../keys/index.ts";
import { handPassphrases, markOf, onHandedBack } from "../../transport/index.ts";
import type { Terminal } from "../terminal.ts";

/** A Node Manager that has not ended by then never will. */
const stopMsMax = 20_000;
const backOffMsMin = 200;
const backOffMsMax = 10_000;
/** A Node Manager that ran for this long has started well: it is started again whatever happens. */
const startedWellMs = 5_000;

/** Where the supervisor of a home says which process it is. */
export const supervisorFile = (home: string): string => join(home, "run", "supervisor.json");

const nodeProgram = join(import.meta.dirname, "..", "..", "node", "main.js");

interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Keeps the Node Manager of a home running in the foreground until it ends by itself with status 0
 * or this process is told to end. One that ends before it has started well says why, and is not started again: its
 * status is this one's. Resolves with the exit status.
 */
export async function superviseNode(
  home: string,
  terminal: Terminal,
  of: { readonly isSupervised: boolean; readonly passphrases: Passphrases | null },
): Promise<number> {
  const { isSupervised } = of;
  let { passphrases } = of;
  const ending = new AbortController();
  let child: ChildProcess | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    ending.abort();
    child?.kill(signal);
    setTimeout(() => child?.kill("SIGKILL"), stopMsMax).unref();
  };
  process.removeAllListeners("SIGINT");
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  if (isSupervised) await leaveMark(home);
  let hasStartedWell = false;
  let pauseMs = backOffMsMin;
  try {
    for (;;) {
      const startedAtMs = performance.now();
      child = spawn(process.execPath, [nodeProgram, "--home", home], {
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      handPassphrases(child, passphrases);
      onHandedBack(child, (changed) => (passphrases = changed));
      const { status, signal } = await endOf(child);
      if (status === 0 || ending.signal.aborted) return 0;
      if (performance.now() - startedAtMs > startedWellMs) {
        hasStartedWell = true;
        pauseMs = backOffMsMin;
      }
      const saysWhyNot = status !== null && !hasStartedWell;
      if (!isSupervised || saysWhyNot) return status ?? errorCodes.internal.exit;
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
