import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

/** A program shows its arguments for longer before it can hide them. */
const intervalMs = 2;

/** What one process showed to everybody at one moment. */
export interface Shown {
  readonly text: string;
  /** What the program had written to stderr by then. */
  readonly err: string;
}

export interface Watched {
  readonly status: number | null;
  readonly err: string;
  /** Arguments and environment of the program and of every process below it, as often as they could be read. */
  readonly shown: readonly Shown[];
}

/** Runs a program and reads, until it ends, what `ps` could show of it and of what it starts. */
export async function runWatched(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string },
): Promise<Watched> {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "ignore", "pipe"] });
  let err = "";
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  let status: number | null | undefined;
  child.once("close", (code) => (status = code));
  const shown: Shown[] = [];
  while (status === undefined) {
    for (const pid of familyOf(child.pid ?? 0))
      for (const file of ["cmdline", "environ"])
        shown.push({ text: readProc(`${pid}/${file}`), err });
    await setTimeout(intervalMs);
  }
  return { status, err, shown };
}

/** The process and all below it. */
function familyOf(pid: number): number[] {
  const children = readProc(`${pid}/task/${pid}/children`).split(" ").map(Number).filter(Boolean);
  return [pid, ...children.flatMap(familyOf)];
}

/** Empty for a process that is gone. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return "";
  }
}
