import type { Command } from "commander";
import { openAdmin, type OpenAdmin } from "../admin-session.ts";
import type { CommandContext } from "../command-context.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import { parsePort } from "../duration.ts";
import { homeFolder, homeHelp } from "../home-folder.ts";
import type { Program } from "../run-program.ts";
import { withoutPrompts, type Terminal } from "../terminal.ts";
import { productVersion } from "../version.ts";
import { addAdopt } from "./adopt.ts";
import { addChangeCommands } from "./change-commands.ts";
import { addDomainCommands } from "./domain-commands.ts";
import { addNodeCommands } from "./node-commands.ts";
import { addSigningCommands } from "./signing-commands.ts";
import { addRecoveryCommands } from "./recovery-commands.ts";
import { addServiceCommands } from "./service-commands.ts";
import { addStoreCommands } from "./store-commands.ts";

/** Makes the context of a command from the options that were given to it and to the program. */
export type ContextOf = (command: Command) => CommandContext;

interface GlobalOptions {
  readonly home?: string;
  readonly anmHost?: string;
  readonly anmPort?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly truststoreFile?: string;
  readonly fingerprint?: string;
  readonly json?: boolean;
  /** Commander's reading of --no-prompt. */
  readonly prompt: boolean;
}

/** `gatehouse`, calling the API through `open`. */
export function gatehouse(open: OpenAdmin = openAdmin): Program {
  return async (args, terminal) => {
    const { Command } = await import("commander");
    let status = 0;
    const program = new Command("gatehouse");
    configure(program, terminal);
    addGlobalOptions(program);
    const contextOf: ContextOf = (command) =>
      contextFrom(command.optsWithGlobals<GlobalOptions>(), terminal, open);
    addNodeCommands(program, contextOf, (ended) => (status = ended));
    addDomainCommands(program, contextOf);
    addChangeCommands(program, contextOf);
    addSigningCommands(program, contextOf);
    addServiceCommands(program, contextOf);
    addStoreCommands(program, contextOf);
    addRecoveryCommands(program, contextOf);
    addAdopt(program, contextOf);
    await program.parseAsync([...args], { from: "user" });
    return status;
  };
}

function configure(program: Command, terminal: Terminal): void {
  program
    .description("Runs, shows and changes a Gatehouse domain.")
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: () => {} })
    .configureHelp({ showGlobalOptions: true })
    .helpOption("-h, --help", "print this")
    .helpCommand(false)
    .version(`gatehouse ${productVersion()}`, "--version", "print the version of this installation")
    .addHelpText(
      "after",
      "\nmanagedomain makes domains, joins hosts and creates instances. Exit statuses: `gatehouse errors`.",
    );
}

function addGlobalOptions(program: Command): void {
  program
    .option("--home <folder>", homeHelp)
    .option("--anm-host <host>", "the Admin Node Manager to call")
    .option("--anm-port <port>", "its port (default: 8090)")
    .option("--username <name>", "user to log in as")
    .option("--password-file <file>", "file whose first line is the password")
    .option("--truststore-file <file>", "PEM file with the domain's CA")
    .option("--fingerprint <sha256>", "SHA-256 fingerprint of the domain's CA")
    .option("--no-prompt", "never ask: fail in one line instead")
    .option("--json", "print results as JSON")
    .option("--debug", "print the causes of an error too");
}

function contextFrom(given: GlobalOptions, terminal: Terminal, open: OpenAdmin): CommandContext {
  const options: ConnectionOptions = {
    home: homeFolder(given.home),
    anmHost: given.anmHost,
    anmPort: given.anmPort === undefined ? undefined : parsePort(given.anmPort, "--anm-port"),
    username: given.username,
    password: undefined,
    passwordFile: given.passwordFile,
    truststoreFile: given.truststoreFile,
    fingerprint: given.fingerprint,
    wordSeparator: "-",
  };
  return {
    terminal: given.prompt ? terminal : withoutPrompts(terminal),
    options,
    json: given.json === true,
    openAdmin: open,
  };
}
