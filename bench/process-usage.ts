import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const pageBytes = Number(execFileSync("getconf", ["PAGESIZE"], { encoding: "utf8" }));

/** Processor time of a process with all its threads, user and system, in milliseconds; 0 once it has ended. */
export function cpuMsOf(pid: number): number {
  const [utime = 0, stime = 0] = statOf(pid).slice(11, 13).map(Number);
  return ((utime + stime) * 1000) / ticksPerSecond;
}

/** Resident memory of a process in megabytes (10^6); 0 once it has ended. */
export function residentMbOf(pid: number): number {
  return (Number(statOf(pid)[21] ?? 0) * pageBytes) / 1e6;
}

/** Fields of /proc/<pid>/stat from the third on: the second, a name, may hold spaces (proc(5)). */
function statOf(pid: number): string[] {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return [];
  }
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
