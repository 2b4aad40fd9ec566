import type { Command } from "commander";
import type { BackupWish, RestoreWish } from "./backup.ts";
import type { ContextOf } from "./program.ts";
import type { RecoverWish } from "./recover.ts";

/** What a domain comes back with after a disaster. */
export function addRecoveryCommands(program: Command, contextOf: ContextOf): void {
  const commands = () => import("./backup.ts");
  withPassphrases(
    program
      .command("backup")
      .description(
        "write store, keys of the CAs and settings into one encrypted file, on the host of an Admin Node Manager, and try it out",
      )
      .argument("<file>", "the new file"),
  ).action(async (file: string, options: BackupWish, command: Command) =>
    (await commands()).makeBackup(contextOf(command), file, options),
  );
  withPassphrases(
    program
      .command("restore")
      .description("make the first Admin Node Manager of a domain from a backup, on an empty home")
      .argument("<file>", "what `gatehouse backup` wrote"),
  )
    .option(
      "--host <host>",
      "name or id of the host that this becomes; that of the backup if not given",
    )
    .option("--waive <host...>", "hosts that are gone: they are not waited for")
    .action(async (file: string, options: RestoreWish, command: Command) =>
      (await commands()).restoreBackup(contextOf(command), file, options),
    );
  addRecover(program, contextOf);
}

/** `gatehouse recover`. */
function addRecover(program: Command, contextOf: ContextOf): void {
  program
    .command("recover")
    .description(
      "bring a domain back in which every certificate has expired: on a host of an Admin Node Manager that holds the keys of the CAs and is stopped; where they are signed elsewhere, it writes what has to be signed",
    )
    .option("--passphrase-file <file>", "file whose first line is the passphrase of the keys")
    .option("--passphrase-exec <program...>", "program and arguments that print it")
    .option(
      "--new-ca",
      "make a new management CA of the domain's own, as the present one's key is lost or elsewhere",
    )
    .option(
      "--bundle <folder>",
      "where the requests are written if certificates are signed elsewhere",
      "recovery-bundle",
    )
    .option("--ca <file>", "PKCS#12 file with the key of your CA, which signs them at once")
    .option("--ca-passphrase-file <file>", "file whose first line is the passphrase of the CA file")
    .option("--ca-passphrase-exec <program...>", "program and arguments that print it")
    .action(async (options: RecoverWish, command: Command) =>
      (await import("./recover.ts")).recover(contextOf(command), options),
    );
}

function withPassphrases(command: Command): Command {
  return command
    .option("--passphrase-file <file>", "file whose first line is the passphrase of the backup")
    .option("--passphrase-exec <program...>", "program and arguments that print it")
    .option(
      "--key-passphrase-file <file>",
      "file whose first line is the passphrase of the keys of the CAs, where they have one",
    )
    .option("--key-passphrase-exec <program...>", "program and arguments that print it");
}

/** `gatehouse authority backed-up`. */
export function addBackedUp(authority: Command, contextOf: ContextOf): void {
  authority
    .command("backed-up")
    .description("record that copies of keys are kept elsewhere, as offline")
    .argument("<key...>", "ids of CAs, as management-1, and trust-signing")
    .requiredOption("--where <text>", "where, and with whom; kept in the audit log")
    .action(async (keys: string[], options: { where: string }, command: Command) =>
      (await import("./backup.ts")).recordCopies(contextOf(command), keys, options.where),
    );
}

/** `gatehouse host waive`. */
export function addHostWaiver(host: Command, contextOf: ContextOf): void {
  host
    .command("waive")
    .description("let a restored domain go on without having heard of a host")
    .argument("<host>", "its name or id")
    .requiredOption("--reason <text>", "why; kept in the audit log")
    .action(async (name: string, options: { reason: string }, command: Command) =>
      (await import("./backup.ts")).waiveHost(contextOf(command), name, options.reason),
    );
}
