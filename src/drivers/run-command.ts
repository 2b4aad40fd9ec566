import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { DomainError } from "../kit/index.ts";
import { userIds } from "./accounts.ts";
import type { Command } from "./description.ts";

const limitSecondsDefault = 30;
/** Of the output this much is kept, from its end. */
const outputCharactersMax = 65_536;
/** How long output is waited for after the end: a daemon that was started may hold it open. */
const lastOutputMs = 200;
/** Of programs of others: nothing of the Node Manager's own environment is handed on. */
export const foreignEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LANG: "C",
};

export interface CommandResult {
  /** Exit status; null if a signal ended it. */
  readonly status: number | null;
  /** What it wrote to its output and error output, at most 65,536 characters from the end. */
  readonly output: string;
}

/**
 * Runs a program without a shell, as the user that the command names, in a process group of its own
 * that is killed as a whole at the time limit: a DomainError `timeout` then. `not-found` if the
 * program or user does not exist, `forbidden` if this process may not become that user.
 */
export async function runCommand(command: Command): Promise<CommandResult> {
  const { run, asUser, limitSeconds = limitSecondsDefault } = command;
  const [program = "", ...args] = run;
  const user = asUser === undefined ? {} : await userIds(asUser);
  const child = spawnAs(program, args, user);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-outputCharactersMax);
    });
  const limit = new AbortController();
  try {
    const ended = once(child, "exit") as Promise<[number | null]>;
    const closed = once(child, "close");
    closed.catch(() => undefined);
    const first = await Promise.race([
      ended,
      delay(limitSeconds * 1000, null, { signal: limit.signal }),
    ]);
    if (first === null) {
      killGroup(child.pid);
      throw new DomainError(
        "timeout",
        `${program} did not end within ${limitSeconds} s and was killed: run it by hand, or raise limitSeconds`,
      );
    }
    await Promise.race([closed, delay(lastOutputMs, null, { signal: limit.signal })]);
    return { status: first[0], output };
  } catch (cause) {
    throw startFailure(cause, program, asUser);
  } finally {
    limit.abort();
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** Without groups besides the user's own: Node.js drops the others when it changes the user. */
function spawnAs(program: string, args: readonly string[], user: { uid?: number; gid?: number }) {
  const isSelf = user.uid === process.getuid?.();
  return spawn(program, args, {
    ...(isSelf ? {} : user),
    cwd: "/",
    env: foreignEnvironment,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself meanwhile.
  }
}

function startFailure(cause: unknown, program: string, asUser: string | undefined): unknown {
  switch ((cause as { code?: unknown }).code) {
    case "ENOENT":
      return new DomainError("not-found", `there is no program ${program}: check its path`, {
        cause,
      });
    case "EACCES":
      return new DomainError("forbidden", `${program} may not be run: check its mode`, { cause });
    case "EPERM":
      return new DomainError(
        "forbidden",
        `${program} is to run as ${asUser}, which only root may do: run the Node Manager as root`,
        { cause },
      );
    default:
      return cause;
  }
}

/**
 * The same, for a command that has to succeed; `what` names it, as `the check of nginx`. Throws
 * `generation-refused` with the program's last words where its status is not 0.
 */
export async function runToSuccess(command: Command, what: string): Promise<string> {
  const { status, output } = await runCommand(command);
  if (status === 0) return output;
  const words = lastWords(output);
  throw new DomainError(
    "generation-refused",
    `${what} ended with ${status === null ? "a signal" : `status ${status}`}${words === "" ? "" : `: ${words}`}`,
  );
}

const wordsMax = 400;

function lastWords(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-3).join(" / ").slice(-wordsMax);
}
