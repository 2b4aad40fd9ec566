import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { markOf, type ProcessMark } from "../transport/index.ts";

/**
 * Starts a program of ours in a session of its own, so that it outlives this process. Its output
 * is appended to `logFile`. Resolves with its mark, or null if it has ended already.
 */
export async function startDetached(
  program: string,
  args: readonly string[],
  logFile: string,
): Promise<ProcessMark | null> {
  const log = openSync(logFile, "a", 0o600);
  try {
    const child = spawn(process.execPath, [program, ...args], {
      detached: true,
      stdio: ["ignore", log, log],
    });
    child.on("error", () => {});
    child.unref();
    return child.pid === undefined ? null : await markOf(child.pid);
  } finally {
    closeSync(log);
  }
}
