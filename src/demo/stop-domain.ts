import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { markOf, signalProcess, type ProcessMark } from "../transport/index.ts";
import type { Children } from "./children.ts";

const programs = ["../admin/main.js", "../node/main.js", "../gateway/main.js"].map((path) =>
  fileURLToPath(import.meta.resolve(path)),
);
const killAfterMs = 15_000;
const pollMs = 50;

/**
 * Stops everything that runs on the demonstration's home folders. Instances and the Admin Node
 * Manager outlive their Node Managers by design, and one that is only starting has not left its
 * mark yet: they are found by their arguments.
 */
export async function stopDomain(home: string, children: Children): Promise<void> {
  await children.stop();
  const killAtMs = performance.now() + killAfterMs;
  const told = new Set<number>();
  for (;;) {
    const running = await processesOn(home);
    if (running.length === 0) return;
    for (const mark of running) {
      if (performance.now() > killAtMs) await signalProcess(mark, "SIGKILL");
      else if (!told.has(mark.pid)) await signalProcess(mark, "SIGTERM");
      told.add(mark.pid);
    }
    await sleep(pollMs);
  }
}

/** Programs of ours whose home folder is below `home`; none where there is no /proc. */
export async function processesOn(home: string): Promise<ProcessMark[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const marks = await Promise.all(
    pids.map(async (pid) => {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      const words = commandLine.split("\0");
      const isOurs =
        programs.some((program) => words.includes(program)) &&
        words.some((word) => word.startsWith(`${home}/host-`));
      return isOurs ? markOf(Number(pid)) : null;
    }),
  );
  return marks.filter((mark) => mark !== null);
}
