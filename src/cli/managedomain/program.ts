import { openAdmin, type OpenAdmin } from "../admin-session.ts";
import type { CommandContext } from "../command-context.ts";
import { runProgram, type Program } from "../run-program.ts";
import type { RunLine } from "./interactive/interpreter.ts";
import { withoutCommand } from "./interactive/words.ts";
import { withoutPrompts, type Terminal } from "../terminal.ts";
import { productVersion } from "../version.ts";
import { parseCommandLine, type CommandLine } from "./command-line.ts";

/** `managedomain`, calling the API through `open`. */
export function managedomain(open: OpenAdmin = openAdmin): Program {
  return async (args, terminal) => {
    const session = sessionOf(args, terminal);
    if (session !== null) return openSession(session, terminal, open);
    const line = await parseCommandLine(args, terminal);
    warnOfSecrets(line, terminal);
    return runCommand(line, terminal, open);
  };
}

async function runCommand(line: CommandLine, given: Terminal, open: OpenAdmin): Promise<number> {
  const terminal = line.given.has("no_prompt") ? withoutPrompts(given) : given;
  const context = { terminal, options: line.given.connection, json: false, openAdmin: open };
  const service = line.given.has("add_service") ? await import("./service.ts") : null;
  service?.requireRoot();
  await run(line, context);
  await service?.addService(context, line.given);
  return 0;
}

/** The options of a call that begins the menu, or the interpreter, as it names no command; else null. */
function sessionOf(
  args: readonly string[],
  { reader }: Terminal,
): { readonly kind: "menu" | "interpreter"; readonly args: readonly string[] } | null {
  const rest = args.filter((arg) => arg !== "--menu");
  const options = withoutCommand(rest);
  if (options === null) return null;
  if (rest.length < args.length) return { kind: "menu", args: options };
  return reader === null ? null : { kind: "interpreter", args: options };
}

async function openSession(
  { kind, args }: NonNullable<ReturnType<typeof sessionOf>>,
  terminal: Terminal,
  open: OpenAdmin,
): Promise<number> {
  // What is given beside the menu counts for each of its commands.
  const { given } = await parseCommandLine(["--print_topology", ...args], terminal);
  const context = { terminal, options: given.connection, json: false, openAdmin: open };
  const runLine: RunLine = (line) =>
    runProgram(
      "managedomain",
      async () => {
        const words = line();
        if (words.length === 0) return 0;
        // What was typed here is in no list of processes: there is nothing to warn of.
        return runCommand(await parseCommandLine([...words, ...args], terminal), terminal, open);
      },
      args,
      terminal,
    );
  if (kind === "menu") {
    await (await import("./interactive/menu.ts")).runMenu(context, runLine);
    return 0;
  }
  const { interpret } = await import("./interactive/interpreter.ts");
  if (terminal.reader !== null) await interpret(context, terminal.reader, runLine);
  return 0;
}

/** Options that hold a secret as text, and what to give in place of them. */
const secrets = {
  password: ["a password", "--password_file, or conf/managedomain.props"],
  token: ["a join token", "--token_file"],
  domain_passphrase: ["a passphrase", "--domain_passphrase_file"],
  key_passphrase: ["a passphrase", "--key_passphrase_file"],
  nm_entitystore_passphrase: ["a passphrase", "--nm_entitystore_passphrase_file"],
  passphrase: ["a passphrase", "--passphrase_file"],
  old_passphrase: ["a passphrase", "--old_passphrase_file"],
  new_passphrase: ["a passphrase", "--new_passphrase_file"],
} as const;

function warnOfSecrets({ given }: CommandLine, terminal: Terminal): void {
  for (const [name, [what, better]] of Object.entries(secrets)) {
    if (!given.has(name)) continue;
    // What `ps` shows from now on.
    process.title = "managedomain";
    terminal.err(`warning: ${what} on the command line can be seen by others: use ${better}`);
  }
}

async function run({ command, given }: CommandLine, context: CommandContext): Promise<void> {
  switch (command) {
    case "version":
      return context.terminal.out(`managedomain (Gatehouse) ${productVersion()}`);
    case "initialize":
      return (await import("./initialize.ts")).initialize(context, given);
    case "add":
      return (await import("./add.ts")).add(context, given);
    case "reset":
      return (await import("./reset.ts")).resetHost(context, given);
    case "add_service_only":
      return (await import("./service.ts")).addService(context, given);
    case "remove_service":
      return (await import("./service.ts")).removeService(context);
    case "edit_host":
      return (await import("./edit-host.ts")).editHost(context, given);
    case "regen_certs":
      return (await import("./regenerate.ts")).regenerateCertificates(context, given);
    case "submit_cert":
      return (await import("./submit.ts")).submitCertificates(context, given);
    case "sign_csr":
      return (await import("./sign-csr.ts")).signCsr(context, given);
    case "change_domain_passphrase":
      return (await import("./passphrase.ts")).changePassphrase(context, given);
    case "change_passphrase":
      return (await import("./group-passphrase.ts")).changeGroupPassphrase(context, given);
    case "print_topology":
      return (await import("./topology.ts")).printTopology(context);
    case "topology_check":
      return (await import("./topology-check.ts")).checkTopology(context);
    case "topology_compare":
      return (await import("./topology-check.ts")).compareTopology(context, given);
    case "topology_synch":
      return (await import("./topology-check.ts")).synchronizeTopology(context);
    case "topology_merge":
      return (await import("./topology-merge.ts")).mergeTopology(context);
    case "create_instance":
      return (await import("./topology.ts")).createInstance(context, given);
    case "edit_instance":
      return (await import("./edit-topology.ts")).editInstance(context, given);
    case "edit_group":
      return (await import("./edit-topology.ts")).editGroup(context, given);
    case "add_tag":
      return (await import("./edit-topology.ts")).addTag(context, given);
    case "delete_tag":
      return (await import("./edit-topology.ts")).deleteTag(context, given);
    case "delete_instance":
      return (await import("./topology.ts")).deleteInstance(context, given);
    case "delete_group":
      return (await import("./topology.ts")).deleteGroup(context, given);
    case "delete_host":
      return (await import("./topology.ts")).deleteHost(
        context,
        given.required("host", "delete_host"),
      );
  }
}
