import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { instanceLayout } from "../domain/index.ts";
import { ensureFolder, writeFileAtomic } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { isAlive, markOf, readMark, type ProcessMark } from "../transport/index.ts";

/** What `run/instance.json` says of a running instance; its Node Manager adopts it by that. */
export interface RunRecord extends ProcessMark {
  readonly managementPort: number;
}

/** Throws `home-locked` if an instance runs on this folder. What a killed one left is passed over. */
export async function refuseSecondStart(home: string): Promise<void> {
  const mark = await readMark(instanceLayout(home).runFile);
  if (mark === null || mark.pid === process.pid || !(await isAlive(mark))) return;
  throw new DomainError(
    "home-locked",
    `an instance is running on ${home} already (process ${mark.pid}): stop it first`,
    { context: { pid: mark.pid } },
  );
}

/** Says that this process runs on the folder; call it once its ports listen. */
export async function writeRunRecord(home: string, managementPort: number): Promise<void> {
  const path = instanceLayout(home).runFile;
  await ensureFolder(dirname(path), 0o700);
  const mark = await markOf(process.pid);
  // Where there is no /proc, nobody can adopt the process either.
  const record: RunRecord = { pid: process.pid, startTimeTicks: "0", ...mark, managementPort };
  await writeFileAtomic(path, `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** Removes the record of this process; another process's is left alone. */
export async function removeRunRecord(home: string): Promise<void> {
  const path = instanceLayout(home).runFile;
  if ((await readMark(path))?.pid === process.pid) await rm(path, { force: true });
}
