import { asAdmin, type CommandContext } from "../../command-context.ts";
import type { LineReader, Terminal } from "../../terminal.ts";
import { withoutPrompts } from "../../terminal.ts";
import { productVersion } from "../../version.ts";
import type { CommandName } from "../option-table.ts";
import { completionsOf, type KnownNames } from "./completion.ts";
import { argumentsOf, commandHelp, commandOf, parametersOf, wordsOf } from "./words.ts";

/** Runs one command line as the program does, errors shown included; resolves with its exit status. */
export type RunLine = (line: () => readonly string[]) => Promise<number>;

/** The documented interpreter: reads commands until `quit`; completes them with the tabulator. */
export async function interpret(
  context: CommandContext,
  lines: LineReader,
  runLine: RunLine,
): Promise<void> {
  const { terminal } = context;
  const names = nameSource(context);
  terminal.out(`managedomain (Gatehouse) ${productVersion()}`);
  terminal.out("Commands, and their parameters without dashes: `help` lists them, `quit` ends.");
  for (;;) {
    const line = await lines.read("> ", (text) => completionsOf(text, names));
    if (line === null || /^\s*q(uit)?\s*$/.test(line)) return;
    if (line.trim() === "") continue;
    const help = /^\s*help(?:\s+(\S+))?\s*$/.exec(line);
    const [, command] = help ?? [];
    if (help === null) await runLine(() => argumentsOf(wordsOf(line)));
    else if (command === undefined) terminal.out(allHelp());
    else await runLine(() => printHelp(terminal, command));
  }
}

function allHelp(): string {
  const width = Math.max(...[...commandHelp.keys()].map((name) => name.length));
  return [
    ...[...commandHelp].map(([name, help]) => `${name.padEnd(width)}  ${help}`),
    `${"help".padEnd(width)}  this; \`help COMMAND\` lists its parameters`,
    `${"quit, q".padEnd(width)}  end`,
  ].join("\n");
}

/** Prints what a command takes; there is nothing left to run. */
function printHelp(terminal: Terminal, word: string): readonly string[] {
  const command: CommandName = commandOf(word);
  terminal.out(`${command}: ${commandHelp.get(command) ?? ""}`);
  for (const { name, value, help } of parametersOf(command))
    terminal.out(`  ${value === null ? name : `${name} <${value}>`}  ${help}`);
  return [];
}

const namesMs = 10_000;

/** The names in the domain, read again now and then; none while nobody can be called. */
function nameSource(context: CommandContext): () => Promise<KnownNames> {
  let known: KnownNames = { hosts: [], groups: [], instances: [] };
  let readAtMs = -Infinity;
  const quiet = { ...context, terminal: withoutPrompts(context.terminal) };
  return async () => {
    if (performance.now() - readAtMs < namesMs) return known;
    readAtMs = performance.now();
    known = await asAdmin(quiet, async (admin) => {
      const { hosts, groups } = await admin.call("getTopology");
      return {
        hosts: hosts.map(({ name }) => name),
        groups: groups.map(({ name }) => name),
        instances: groups.flatMap(({ instances }) => instances.map(({ name }) => name)),
      };
    }).catch(() => known);
    return known;
  };
}
