import { DomainError } from "../../../kit/index.ts";
import { laterWords } from "../later.ts";
import { commandNames, commandRows, optionRows, type CommandName } from "../option-table.ts";

/** A parameter of a command, as the interpreter knows it: without dashes. */
export interface Parameter {
  readonly name: string;
  /** What its value is called in the help; null: it has none. */
  readonly value: string | null;
  /** It may be given without a value too. */
  readonly isValueOptional: boolean;
  readonly help: string;
}

const parameters: readonly (Parameter & { readonly for: readonly CommandName[] | null })[] =
  optionRows.map(({ flags, help, for: commands }) => {
    const [, name = "", open, value = null] =
      /--([a-z_]+)(?: ([<[])([^>\]]+)[>\]])?$/.exec(flags) ?? [];
    return { name, value, isValueOptional: open === "[", help, for: commands ?? null };
  });

/** Said once for all commands, when the interpreter is started. */
const ofAll = ["home", "no_prompt", "debug", "menu"];

/** The parameters that a command takes. */
export function parametersOf(command: CommandName): readonly Parameter[] {
  return parameters.filter(
    (each) => !ofAll.includes(each.name) && (each.for === null || each.for.includes(command)),
  );
}

/** Every command with its help; those of a later version are known too. */
export const commandHelp: ReadonlyMap<CommandName, string> = new Map(
  commandNames.map((name) => [
    name,
    commandRows.find(({ flags }) => flags.includes(`--${name}`))?.help ?? "",
  ]),
);

/** The command that a word names. Throws `usage`, `not-supported` for one of a later version. */
export function commandOf(word: string): CommandName {
  const found = commandNames.find((name) => name === word);
  if (found !== undefined) return found;
  const later = laterWords[word];
  if (later !== undefined) throw new DomainError("not-supported", `${word}: ${later}`);
  throw new DomainError("usage", `there is no command ${word}: \`help\` lists them`);
}

/** The options with which the program was started, if no command was among them; else null. */
export function withoutCommand(args: readonly string[]): readonly string[] | null {
  const commands = commandRows.flatMap(({ flags }) => flags.split(", "));
  const ends = [...commands, ...Object.keys(laterWords).map((word) => `--${word}`), "-h", "--help"];
  return args.some((arg) => ends.includes(arg.split("=")[0] ?? "")) ? null : args;
}

/**
 * The arguments of a command line from what a person typed: the command, then its parameters without
 * dashes, with values where they take one. Throws `usage`, `not-supported`.
 */
export function argumentsOf(words: readonly string[]): string[] {
  const [first = "", ...rest] = words;
  const command = commandOf(bare(first));
  const known = parametersOf(command);
  const args = [`--${command}`];
  for (let i = 0; i < rest.length; i++) {
    const [, name = "", attached] = /^(?:--)?([^=]*)(?:=(.*))?$/s.exec(rest[i] ?? "") ?? [];
    const parameter = known.find((each) => each.name === name);
    if (parameter === undefined) throw unknownParameter(command, name);
    if (parameter.value === null) {
      args.push(`--${name}`);
      continue;
    }
    const next = rest[i + 1];
    const isNext = known.some((each) => each.name === bare(next ?? ""));
    const value = attached ?? (parameter.isValueOptional && isNext ? undefined : next);
    if (value === undefined && !parameter.isValueOptional)
      throw new DomainError("usage", `${name} of ${command} takes a value: ${parameter.value}`);
    args.push(value === undefined ? `--${name}` : `--${name}=${value}`);
    if (attached === undefined && value !== undefined) i++;
  }
  return args;
}

function bare(word: string): string {
  return word.replace(/^--/, "");
}

function unknownParameter(command: CommandName, name: string): DomainError {
  return new DomainError(
    "usage",
    `${command} takes no ${name}: \`help ${command}\` lists what it takes`,
  );
}

/** The words of a line; quotes keep white space together. Throws `usage` for one that is left open. */
export function wordsOf(line: string): string[] {
  const words: string[] = [];
  const pattern = /\s*((?:"[^"]*"|'[^']*'|[^\s"'])+)/y;
  let at = 0;
  for (let found = pattern.exec(line); found !== null; found = pattern.exec(line)) {
    words.push((found[1] ?? "").replaceAll(/"([^"]*)"|'([^']*)'/g, "$1$2"));
    at = pattern.lastIndex;
  }
  if (line.slice(at).trim() === "") return words;
  throw new DomainError("usage", `a quote is left open: ${line.slice(at).trim()}`);
}
