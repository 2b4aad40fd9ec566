import { commandNames, type CommandName } from "../option-table.ts";
import { parametersOf, wordsOf } from "./words.ts";

/** The names in the domain that a value may be. */
export interface KnownNames {
  readonly hosts: readonly string[];
  readonly groups: readonly string[];
  readonly instances: readonly string[];
}

const ownWords = ["help", "quit", "q"];

/**
 * What may stand in place of the last word of a line, and that word: a command, one of its parameters
 * that is not there yet, or a name in the domain where the parameter before wants one.
 */
export async function completionsOf(
  line: string,
  names: () => Promise<KnownNames>,
): Promise<[string[], string]> {
  const words = safeWords(line);
  const last = /\s$/.test(line) || line === "" ? "" : (words.pop() ?? "");
  const fitting = (all: readonly string[]): [string[], string] => [
    all.filter((each) => each.startsWith(last)).map((each) => `${quoted(each)} `),
    last,
  ];
  const [first, ...rest] = words;
  if (first === undefined) return fitting([...commandNames, ...ownWords]);
  if (first === "help") return fitting(commandNames);
  const command = commandNames.find((name) => name === first);
  if (command === undefined) return [[], last];
  const before = parametersOf(command).find(({ name }) => name === rest.at(-1));
  if (before !== undefined && before.value !== null)
    return fitting(namesFor(before.name, command, await names()));
  const left = parametersOf(command).filter(({ name }) => !rest.includes(name));
  return fitting(left.map(({ name }) => name));
}

function namesFor(parameter: string, command: CommandName, names: KnownNames): readonly string[] {
  if (parameter === "host" || parameter === "anm_host") return names.hosts;
  if (parameter === "group") return names.groups;
  const isNew = command === "create_instance" || command === "initialize" || command === "add";
  return parameter === "name" && !isNew ? names.instances : [];
}

function quoted(name: string): string {
  return /\s/.test(name) ? `"${name}"` : name;
}

function safeWords(line: string): string[] {
  try {
    return wordsOf(line);
  } catch {
    return [];
  }
}
