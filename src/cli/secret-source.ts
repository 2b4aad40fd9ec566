import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { DomainError } from "../kit/index.ts";
import { readTextFile } from "./text-file.ts";

const execMs = 30_000;

/** Where a secret may come from in place of a person's answer; at most one of them. */
export interface SecretSource {
  /** The secret itself, seen by every user of the machine for a moment. */
  readonly text?: string | undefined;
  /** A file whose first line it is. */
  readonly file?: string | undefined;
  /** A program and its arguments; the first line that it prints is the secret. */
  readonly exec?: readonly string[] | undefined;
}

/** The program and arguments for a command line of the shell. */
export function shellCommand(command: string): readonly string[] {
  return ["/bin/sh", "-c", command];
}

/**
 * Reads a secret; null where no source is given. `what` names it: `password`, `old passphrase`.
 * Throws `usage` for two sources, `invalid-input` for an empty one, `not-found`, `unauthenticated`.
 */
export async function readSecret(source: SecretSource, what: string): Promise<string | null> {
  const { text, file, exec } = source;
  if ([text, file, exec].filter((given) => given !== undefined).length > 1)
    throw new DomainError("usage", `the ${what} is given in more than one way: choose one`);
  if (text !== undefined) return text;
  if (file !== undefined)
    return firstLine(await readTextFile(file, `the ${what} file`), file, what);
  if (exec === undefined) return null;
  return firstLine(await outputOf(exec, what), "the program", what);
}

function firstLine(text: string, source: string, what: string): string {
  const [line = ""] = text.split(/\r?\n/);
  if (line !== "") return line;
  throw new DomainError("invalid-input", `${source} gives no ${what}: its first line is empty`);
}

async function outputOf([program = "", ...args]: readonly string[], what: string): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { timeout: execMs })).stdout;
  } catch (cause) {
    // The cause would repeat what the command wrote, which may be the secret.
    const status = (cause as { code?: unknown }).code;
    throw new DomainError(
      "unauthenticated",
      `the program that gives the ${what} failed with status ${String(status ?? "unknown")}: run it by hand`,
    );
  }
}
