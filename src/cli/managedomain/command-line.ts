import { DomainError } from "../../kit/index.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import { parsePort } from "../duration.ts";
import { homeFolder, homeHelp } from "../home-folder.ts";
import type { Terminal } from "../terminal.ts";
import { laterWords, refuseLater } from "./later.ts";
import {
  commandNames,
  commandRows,
  optionRows,
  type CommandName,
  type OptionRow,
} from "./option-table.ts";

/** A command line of `managedomain`: its one command, and the options that were given, as text. */
export interface CommandLine {
  readonly command: CommandName;
  readonly given: Given;
}

/** What was given, by the documented names. */
export class Given {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? (value as string[]) : [];
  }

  port(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parsePort(text, `--${name}`);
  }

  /** An option that the command cannot do without. Throws `usage`. */
  required(name: string, command: CommandName): string {
    const text = this.text(name);
    if (text !== undefined) return text;
    throw new DomainError("usage", `--${command} needs --${name}`);
  }

  get connection(): ConnectionOptions {
    return {
      home: homeFolder(this.text("home")),
      anmHost: this.text("anm_host"),
      anmPort: this.port("anm_port"),
      username: this.text("username"),
      password: this.text("password"),
      passwordFile: this.text("password_file"),
      truststoreFile: this.text("truststore_file"),
      fingerprint: this.text("fingerprint"),
      wordSeparator: "_",
    };
  }
}

/** Reads a command line. Throws `usage`, `not-supported`, or what ends a call with `--help`. */
export async function parseCommandLine(
  args: readonly string[],
  terminal: Terminal,
): Promise<CommandLine> {
  const { Command, Option } = await import("commander");
  const program = new Command("managedomain");
  program
    .usage("COMMAND [options]")
    .description("Manages the hosts, groups and instances of a domain.")
    .helpOption("-h, --help", "print this")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: () => {} })
    .addHelpText("after", helpEnd);
  for (const [heading, rows] of [
    ["Commands (exactly one):", commandRows],
    ["Options:", optionRows],
  ] as const) {
    program.optionsGroup(heading);
    for (const { flags, help } of rows)
      program.addOption(new Option(flags, help === "home" ? homeHelp : help));
  }
  for (const word of Object.keys(laterWords))
    program.addOption(new Option(`--${word} [value]`).hideHelp());
  program.parse([...args], { from: "user" });
  const values = program.opts<Record<string, unknown>>();
  refuseLater(values);
  const command = onlyCommand(values);
  for (const row of optionRows) refuseStray(row, command, values);
  return { command, given: new Given(values) };
}

/** True if `--is_admin` was given, alone or as the documented `--is_admin 1`. Throws `usage`. */
export function wantsAdmin(given: Given): boolean {
  const value = given.text("is_admin");
  if (value === undefined || /^(1|true|y|yes)$/i.test(value)) return given.has("is_admin");
  throw new DomainError(
    "usage",
    `--is_admin stands alone or as --is_admin 1, not ${value}: leave it out for a plain Node Manager`,
  );
}

const helpEnd = `
A password is never taken from the environment. Where nobody can be asked, conf/managedomain.props
in the home folder may give username=, password_file= or password_exec=, anm_host=, anm_port=,
fingerprint= and truststore_file=. Exit statuses: \`gatehouse errors\`.`;

function onlyCommand(values: Readonly<Record<string, unknown>>): CommandName {
  const found = commandNames.filter((name) => values[name] !== undefined);
  const [command] = found;
  if (command === undefined)
    throw new DomainError(
      "usage",
      "no command is given: `managedomain --help` lists them, as --initialize, --add or --create_instance",
    );
  if (found.length > 1)
    throw new DomainError(
      "usage",
      `one command at a time: ${found.map((name) => `--${name}`).join(" and ")} were given`,
    );
  return command;
}

function refuseStray(
  { flags, for: commands }: OptionRow,
  command: CommandName,
  values: Readonly<Record<string, unknown>>,
): void {
  const [, name = ""] = /--([a-z_]+)[^-]*$/.exec(flags) ?? [];
  if (values[name] === undefined || commands === undefined || commands.includes(command)) return;
  throw new DomainError(
    "usage",
    `--${name} does not go with --${command}, only with ${commands.map((each) => `--${each}`).join(", ")}`,
  );
}
