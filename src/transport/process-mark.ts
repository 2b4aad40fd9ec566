import { readFile } from "node:fs/promises";

/** A process that may outlive us: recognised by its pid together with when it started. */
export interface ProcessMark {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. A pid that was given again differs in it. */
  readonly startTimeTicks: string;
}

/** The mark of a living process, or null. A zombie is not alive. */
export async function markOf(pid: number): Promise<ProcessMark | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, which may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    const startTimeTicks = fields[19];
    return startTimeTicks === undefined || state === "Z" ? null : { pid, startTimeTicks };
  } catch {
    return null;
  }
}

/** True while the very process that was marked lives. */
export async function isAlive(mark: ProcessMark): Promise<boolean> {
  return (await markOf(mark.pid))?.startTimeTicks === mark.startTimeTicks;
}

/** The mark in a run file, or null if there is none that can be read. */
export async function readMark(path: string): Promise<ProcessMark | null> {
  try {
    const { pid, startTimeTicks } = JSON.parse(
      await readFile(path, "utf8"),
    ) as Partial<ProcessMark>;
    return pid === undefined || startTimeTicks === undefined
      ? null
      : { pid, startTimeTicks: String(startTimeTicks) };
  } catch {
    return null;
  }
}

/** Sends a signal to exactly the marked process. */
export async function signalProcess(mark: ProcessMark, signal: NodeJS.Signals): Promise<void> {
  if (await isAlive(mark)) process.kill(mark.pid, signal);
}
