import { spawn } from "node:child_process";
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { foreignEnvironment, userIds, type Description } from "../../drivers/index.ts";
import { DomainError } from "../../kit/index.ts";
import { writeFileAtomic } from "../../keys/index.ts";
import { isAlive, markOf, readMark, type ProcessMark } from "../../transport/index.ts";
import { startLogged, type Program, type StartedProcess } from "../processes.ts";

type Start = NonNullable<Description["start"]>;

interface Account {
  readonly uid: number;
  readonly gid: number;
}

interface ServerProgram {
  readonly name: string;
  /** How it is started now; `folder` is where it runs, where that does not say it. */
  readonly current: () => { readonly start: Start; readonly folder: string };
  readonly logFile: string;
  readonly runFile: string;
}

const mebibyte = 1_048_576;
const killedMsMax = 5_000;
const pollMs = 20;

/**
 * The arguments by which a server is started: limits and user are set by programs that then become it
 * (prlimit(1), setpriv(1)), so that its process is the one that was started. `account`: another user.
 */
function launchArguments(start: Start, account: Account | null): readonly string[] {
  const { run, openFilesMax, memoryMebibytesMax } = start;
  const limits = [
    ...(openFilesMax === undefined ? [] : [`--nofile=${openFilesMax}:${openFilesMax}`]),
    // What it may write to: address space that is only reserved costs nothing.
    ...(memoryMebibytesMax === undefined ? [] : [`--data=${memoryMebibytesMax * mebibyte}`]),
  ];
  return [
    ...(limits.length === 0 ? [] : ["prlimit", ...limits, "--"]),
    ...(account === null
      ? []
      : ["setpriv", `--reuid=${account.uid}`, `--regid=${account.gid}`, "--init-groups", "--"]),
    ...run,
  ];
}

/** A server of another vendor as a supervisor keeps it: this Node Manager leaves the mark for it. */
export function serverProgram(of: ServerProgram): Program {
  return {
    name: of.name,
    runFile: of.runFile,
    get stopSignal() {
      return of.current().start.stopSignal ?? "SIGTERM";
    },
    start: () => startServer(of),
    find: () => findByLog(of.logFile),
  };
}

async function startServer(of: ServerProgram): Promise<StartedProcess> {
  const { logFile, runFile } = of;
  const { start, folder } = of.current();
  await killLeft(of);
  const account = await accountOf(start);
  const [file = "", ...args] = launchArguments(start, account);
  const started = await startLogged(logFile, meaningOf, (log) =>
    spawn(file, args, {
      detached: true,
      cwd: start.folder ?? folder,
      env: foreignEnvironment,
      stdio: ["ignore", log, log],
    }),
  );
  await writeFileAtomic(runFile, JSON.stringify(started.mark), { mode: 0o600 });
  return started;
}

/** Null for the user that this process is. */
async function accountOf({ asUser }: Start): Promise<Account | null> {
  if (asUser === undefined) return null;
  const account = await userIds(asUser);
  const own = process.getuid?.();
  if (account.uid === own) return null;
  if (own === 0) return account;
  throw new DomainError(
    "forbidden",
    `the server is to run as ${asUser}, which only root may do: run the Node Manager as root`,
  );
}

function meaningOf(status: number | null, words: string | null): string | null {
  return words === null ? null : `it ended with status ${status}: ${words}`;
}

/** Ends what is left of a server whose first process is dead: its workers may hold its ports. */
async function killLeft({
  logFile,
  runFile,
}: Pick<ServerProgram, "logFile" | "runFile">): Promise<void> {
  const mark = await readMark(runFile);
  if (mark === null || (await isAlive(mark))) return;
  const endMs = performance.now() + killedMsMax;
  while (performance.now() < endMs) {
    const left = await writersOf(logFile);
    if (left.length === 0) return;
    for (const pid of left) kill(pid);
    await sleep(pollMs);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself meanwhile.
  }
}

/** The process, first of its session, whose output goes to this log; null if there is none. */
async function findByLog(logFile: string): Promise<ProcessMark | null> {
  for (const pid of await writersOf(logFile)) if (await isSessionLeader(pid)) return markOf(pid);
  return null;
}

/** The processes whose output goes to this log: those of one member, and of nothing else. */
async function writersOf(logFile: string): Promise<number[]> {
  const path = await realpath(logFile).catch(() => null);
  const writers: number[] = [];
  for (const name of path === null ? [] : await readdir("/proc")) {
    if (!/^\d+$/.test(name) || name === String(process.pid)) continue;
    const outputs = ["1", "2"].map((fd) => readlink(`/proc/${name}/fd/${fd}`).catch(() => null));
    if ((await Promise.all(outputs)).includes(path)) writers.push(Number(name));
  }
  return writers;
}

async function isSessionLeader(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // After the name in parentheses: state, parent, process group, session (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[3] === String(pid);
}
