import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, fstatSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { errorCodes } from "../kit/index.ts";
import type { Passphrases } from "../keys/index.ts";
import { handPassphrases, markOf, type ProcessMark } from "../transport/index.ts";

/** What a supervisor keeps running. */
export interface Program {
  readonly name: string;
  /** Where the process, or an earlier Node Manager, left its mark. */
  readonly runFile: string;
  /** How it is asked to end; SIGTERM without it. */
  readonly stopSignal?: NodeJS.Signals;
  start(): Promise<StartedProcess>;
  /** Finds a process that lives and has no mark: who started it may have died before it left one. */
  find(): Promise<ProcessMark | null>;
}

export interface StartedProcess {
  /** Null if it has ended already. */
  readonly mark: ProcessMark | null;
  /** Resolves when it has ended, with the reason in one line. */
  readonly ended: Promise<string>;
}

/** A program of ours, which leaves its mark itself. `passphrases` open its keys. */
export function ownProgram(of: {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly runFile: string;
  readonly passphrases: () => Passphrases | null;
}): Program {
  const { name, path, args, logFile, runFile, passphrases } = of;
  return {
    name,
    runFile,
    find: async () => null,
    start: () =>
      startLogged(logFile, meaningOf, (log) => {
        const child = spawn(process.execPath, [path, ...args], {
          detached: true,
          stdio: ["ignore", log, log, "ipc"],
        });
        handPassphrases(child, passphrases());
        return child;
      }),
  };
}

/** What an exit status means, by the last words of the program; null: nothing that is known here. */
type Meaning = (status: number | null, words: string | null) => string | null;

/**
 * Starts a program in a session of its own (`spawn` has to see to that), so that it outlives this
 * process. Its output is appended to `logFile`.
 */
export async function startLogged(
  logFile: string,
  meaning: Meaning,
  spawnInto: (log: number) => ChildProcess,
): Promise<StartedProcess> {
  const log = openSync(logFile, "a", 0o600);
  try {
    const { size } = fstatSync(log);
    const child = spawnInto(log);
    const ended = endOf(child, async (status) =>
      meaning(status, await lastErrorLine(logFile, size)),
    );
    child.unref();
    return { mark: child.pid === undefined ? null : await markOf(child.pid), ended };
  } finally {
    closeSync(log);
  }
}

function meaningOf(status: number | null, words: string | null): string | null {
  const meaning = Object.values(errorCodes).find(({ exit }) => exit === status)?.meaning;
  return meaning === undefined ? null : (words ?? meaning);
}

function endOf(
  child: ChildProcess,
  meaning: (status: number | null) => Promise<string | null>,
): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", () => resolve("it could not be started"));
    child.once("exit", (status, signal) => {
      if (signal !== null) return resolve(`it was ended by ${signal}`);
      void meaning(status).then((text) => resolve(text ?? `it ended with status ${status}`));
    });
  });
}

const tailBytesMax = 4_096;
const reasonCharactersMax = 1_000;

/** The line for people by which a program of ours ends: the last in its log that is not JSON. */
async function lastErrorLine(logFile: string, from: number): Promise<string | null> {
  try {
    await using file = await open(logFile);
    const { size } = await file.stat();
    const start = Math.max(from, size - tailBytesMax);
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(tailBytesMax),
      position: start,
    });
    const lines = buffer.toString("utf8", 0, bytesRead).split("\n");
    const line = lines.findLast((text) => text.trim() !== "" && !text.startsWith("{"));
    return line?.replace(/^gateway: /, "").slice(0, reasonCharactersMax) ?? null;
  } catch {
    return null;
  }
}
