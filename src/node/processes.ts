import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, fstatSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { errorCodes } from "../kit/index.ts";
import type { Passphrases } from "../keys/index.ts";
import { handPassphrases, markOf, type ProcessMark } from "../transport/index.ts";

interface StartedProgram {
  readonly args: readonly string[];
  readonly logFile: string;
  readonly passphrases: Passphrases | null;
}

export interface StartedProcess {
  /** Null if it has ended already. */
  readonly mark: ProcessMark | null;
  /** Resolves when it has ended, with the reason in one line. */
  readonly ended: Promise<string>;
}

/**
 * Starts a program of ours in a session of its own, so that it outlives this process. Its output
 * is appended to `logFile`. `passphrases` open its keys.
 */
export async function startDetached(
  program: string,
  { args, logFile, passphrases }: StartedProgram,
): Promise<StartedProcess> {
  const log = openSync(logFile, "a", 0o600);
  try {
    const { size } = fstatSync(log);
    const child = spawn(process.execPath, [program, ...args], {
      detached: true,
      stdio: ["ignore", log, log, "ipc"],
    });
    handPassphrases(child, passphrases);
    const ended = endOf(child, () => lastErrorLine(logFile, size));
    child.unref();
    return { mark: child.pid === undefined ? null : await markOf(child.pid), ended };
  } finally {
    closeSync(log);
  }
}

function endOf(child: ChildProcess, ownWords: () => Promise<string | null>): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", () => resolve("it could not be started"));
    child.once("exit", (status, signal) => {
      if (signal !== null) return resolve(`it was ended by ${signal}`);
      const meaning = Object.values(errorCodes).find(({ exit }) => exit === status)?.meaning;
      if (meaning === undefined) return resolve(`it ended with status ${status}`);
      void ownWords().then((words) => resolve(words ?? meaning));
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
