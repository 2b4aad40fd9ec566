/** Where a command writes to and whom it may ask; an argument, so that tests can be both. */
export interface Terminal {
  /** One line, or several, on stdout: the result. */
  out(text: string): void;
  /** One line on stderr: progress, warnings, errors. */
  err(text: string): void;
  /** Columns of stderr where that is a terminal and a line may be drawn over; null elsewhere. */
  readonly columns: number | null;
  /** Replaces the last line of stderr by `text`; only where `columns` is not null. */
  redraw(text: string): void;
  /** Null where nobody can be asked: not at a terminal, or asked not to. */
  readonly prompts: Prompts | null;
  /** Null where nobody types commands. */
  readonly reader: LineReader | null;
}

/** Reads the lines of a person who types commands. */
export interface LineReader {
  /** The next line; null at the end. `complete` says what may stand for the last word, and that word. */
  read(
    prompt: string,
    complete: (line: string) => Promise<[string[], string]>,
  ): Promise<string | null>;
}

export interface Prompts {
  text(question: string, proposal?: string): Promise<string>;
  secret(question: string): Promise<string>;
  /** True for an answer that `isYes`. */
  confirm(question: string): Promise<boolean>;
}

/** What counts as yes: `y` or `yes`, in any case. */
export function isYes(answer: string): boolean {
  return /^y(es)?$/i.test(answer.trim());
}

/** Ctrl-C: ends the command with status 130 and no message. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** The terminal that this process was started on. Questions go to stderr, so stdout stays clean. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    columns: stderr.isTTY ? stderr.columns || 80 : null,
    redraw: (text) => void stderr.write(`\r\u001b[2K${text}`),
    prompts: stdin.isTTY && stderr.isTTY ? terminalPrompts() : null,
    reader: stdin.isTTY && stdout.isTTY ? terminalLines() : null,
  };
}

/** The same terminal, with nobody to ask. */
export function withoutPrompts(terminal: Terminal): Terminal {
  return {
    out: (text) => terminal.out(text),
    err: (text) => terminal.err(text),
    columns: terminal.columns,
    redraw: (text) => terminal.redraw(text),
    prompts: null,
    reader: null,
  };
}

/** One interface for each line, so that what a command asks in between has the terminal for itself. */
function terminalLines(): LineReader {
  let history: string[] = [];
  return {
    async read(prompt, complete) {
      const { createInterface } = await import("node:readline/promises");
      let isClosed = false;
      const reader = createInterface({
        input: process.stdin,
        output: process.stdout,
        prompt,
        history,
        async completer(line: string) {
          const found = await complete(line);
          // Whoever types on while the names are read has sent the line off by then: nothing to show.
          return isClosed ? new Promise<never>(() => {}) : found;
        },
      });
      return new Promise((resolve) => {
        let text: string | null = null;
        reader.once("line", (line) => {
          text = line;
          reader.close();
        });
        reader.once("history", (all) => (history = all));
        reader.once("SIGINT", () => reader.close());
        reader.once("close", () => {
          isClosed = true;
          resolve(text);
        });
        reader.prompt();
      });
    },
  };
}

function terminalPrompts(): Prompts {
  const context = { output: process.stderr };
  return {
    async text(question, proposal) {
      const { input } = await import("@inquirer/prompts");
      const rest = proposal === undefined ? {} : { default: proposal };
      return orInterrupted(input({ message: question, ...rest }, context));
    },
    async secret(question) {
      const { password } = await import("@inquirer/prompts");
      return orInterrupted(password({ message: question, mask: false }, context));
    },
    async confirm(question) {
      const { input } = await import("@inquirer/prompts");
      const answer = await orInterrupted(
        input({ message: `${question} (yes or no)`, default: "no" }, context),
      );
      return isYes(answer);
    },
  };
}

async function orInterrupted<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof Error && cause.name === "ExitPromptError")
      throw new Interrupted("interrupted", { cause });
    throw cause;
  }
}
