import { describeError, DomainError, errorCodes, isDomainError } from "../kit/index.ts";
import { Interrupted, processTerminal, type Terminal } from "./terminal.ts";

const interruptedStatus = 130;

/** A program: takes its arguments, writes to the terminal, resolves with its exit status. */
export type Program = (args: readonly string[], terminal: Terminal) => Promise<number>;

/** Runs a program as this process. */
export async function runProcess(name: string, program: Program): Promise<void> {
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : errorCodes.internal.exit);
  });
  process.once("SIGINT", () => process.exit(interruptedStatus));
  process.exitCode = await runProgram(name, program, process.argv.slice(2), processTerminal());
}

/**
 * Runs a program and turns what it throws into one line on stderr and the documented exit status;
 * `--debug` adds the causes and the stack.
 */
export async function runProgram(
  name: string,
  program: Program,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    return await program(args, terminal);
  } catch (error) {
    if (error instanceof Interrupted) return interruptedStatus;
    const known = isDomainError(error) ? error : await unknownError(error);
    if (known === null) return 0;
    const isDebug = args.includes("--debug");
    terminal.err(`${name}: ${oneLine(isDebug ? describeError(known) : known.message)}`);
    if (isDebug && error instanceof Error) terminal.err(stackOf(error));
    return errorCodes[known.code].exit;
  }
}

/** What commander says is a mistake on the command line; null if it has only shown its help. */
async function unknownError(error: unknown): Promise<DomainError | null> {
  if (error instanceof Error && "exitCode" in error && "code" in error) {
    const { CommanderError } = await import("commander");
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return null;
      if (error.code === "commander.help")
        return new DomainError("usage", "a command is missing: the same with --help lists them");
      const text = error.message.replace(/^error: /, "").replace(/\n/g, " ");
      return new DomainError(
        "usage",
        text.replace(/\(Did you mean (.*)\?\)/, "(did you mean $1?)"),
      );
    }
  }
  return new DomainError(
    "internal",
    `this should not happen (${describeError(error)}): run again with --debug and report it`,
    { cause: error },
  );
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").trim();
}

function stackOf(error: Error): string {
  const stacks: string[] = [];
  for (let e: unknown = error; e instanceof Error && stacks.length < 8; e = e.cause)
    stacks.push(e.stack ?? e.message);
  return stacks.join("\ncaused by ");
}
