import { readFile, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DomainError } from "../kit/index.ts";
import { ensureFolder, writeFileAtomic } from "../keys/index.ts";

/** What `run/instance.json` says of a running instance; its Node Manager adopts it by that. */
export interface RunRecord {
  readonly pid: number;
  /** When the kernel started the process, so that another one with the same number is told apart. */
  readonly startTimeTicks: number;
  readonly managementPort: number;
}

const recordPath = (home: string): string => join(home, "run", "instance.json");

/** Throws `home-locked` if an instance runs on this folder. What a killed one left is passed over. */
export async function refuseSecondStart(home: string): Promise<void> {
  const record = await readRecord(home);
  if (record === null || record.pid === process.pid) return;
  if (startTimeTicks(record.pid) !== record.startTimeTicks) return;
  throw new DomainError(
    "home-locked",
    `an instance is running on ${home} already (process ${record.pid}): stop it first`,
    {
      context: { pid: record.pid },
    },
  );
}

/** Says that this process runs on the folder; call it once its ports listen. */
export async function writeRunRecord(home: string, managementPort: number): Promise<void> {
  await ensureFolder(join(home, "run"), 0o700);
  const record: RunRecord = {
    pid: process.pid,
    startTimeTicks: startTimeTicks(process.pid) ?? 0,
    managementPort,
  };
  await writeFileAtomic(recordPath(home), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** Removes the record of this process; another process's is left alone. */
export async function removeRunRecord(home: string): Promise<void> {
  if ((await readRecord(home))?.pid === process.pid) await rm(recordPath(home), { force: true });
}

async function readRecord(home: string): Promise<RunRecord | null> {
  try {
    const { pid, startTimeTicks, managementPort } = JSON.parse(
      await readFile(recordPath(home), "utf8"),
    ) as Partial<RunRecord>;
    if (pid === undefined || startTimeTicks === undefined || managementPort === undefined)
      return null;
    return { pid, startTimeTicks, managementPort };
  } catch {
    return null;
  }
}

/** Field 22 of proc_pid_stat(5), in clock ticks since boot; null if there is no such process. */
function startTimeTicks(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, field 2, may hold spaces and parentheses: count from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; its ports and files are free.
    return fields[0] === "Z" ? null : Number(fields[22 - 3]);
  } catch {
    return null;
  }
}
