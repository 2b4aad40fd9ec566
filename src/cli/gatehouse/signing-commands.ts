import type { Command } from "commander";
import type { CredentialId } from "../../kit/index.ts";
import { shellCommand } from "../secret-source.ts";
import type { ContextOf } from "./program.ts";

/** Certificates that are signed elsewhere: requests go out, certificates come in. */
export function addSigningCommands(program: Command, contextOf: ContextOf): void {
  const signing = program
    .command("signing")
    .description("requests for certificates that your CA, or one elsewhere, signs");
  const commands = () => import("./signing.ts");
  signing
    .command("list")
    .description("what waits to be signed, and what was brought")
    .action(async (_options, command: Command) =>
      (await commands()).listRequests(contextOf(command)),
    );
  signing
    .command("export")
    .description("write every request that waits into a folder, with a manifest")
    .argument("<folder>", "is made where it does not exist")
    .action(async (folder: string, _options, command: Command) =>
      (await commands()).exportRequests(contextOf(command), folder),
    );
  signing
    .command("submit")
    .description("bring certificates; each is checked against the request for its key")
    .argument("<path...>", "PEM, DER or PKCS#7, in files or folders, in any order")
    .action(async (paths: string[], _options, command: Command) =>
      (await commands()).submitFiles(contextOf(command), paths),
    );
  signing
    .command("sign")
    .description("sign every request that waits with your own CA")
    .requiredOption("--ca <file>", "PKCS#12 file with its key and certificate")
    .option("--passphrase-file <file>", "file whose first line is the passphrase of the CA file")
    .option("--passphrase-exec <command>", "command that prints it")
    .action(
      async (
        options: { ca: string; passphraseFile?: string; passphraseExec?: string },
        command: Command,
      ) =>
        (await commands()).signRequests(contextOf(command), options.ca, {
          file: options.passphraseFile,
          exec:
            options.passphraseExec === undefined ? undefined : shellCommand(options.passphraseExec),
        }),
    );
  signing
    .command("cancel")
    .description("give up a request and its key; without an argument what waits on this host")
    .argument("[request]", "as nodemanager-2/management")
    .action(async (id: CredentialId | undefined, _options, command: Command) =>
      (await commands()).cancelRequest(contextOf(command), id),
    );
}
