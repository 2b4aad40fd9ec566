import { resolve } from "node:path";
import type { Command } from "commander";
import { printResult, type CommandContext } from "../command-context.ts";
import { count } from "../render/table.ts";
import { readSecret } from "../secret-source.ts";
import type { ContextOf } from "./program.ts";

interface AdoptWish {
  readonly passphraseFile?: string;
  readonly passphraseExec?: readonly string[];
}

/** `gatehouse adopt`. */
export function addAdopt(program: Command, contextOf: ContextOf): void {
  program
    .command("adopt")
    .description(
      "take over the folder of a CA, OpenSSL's or the documented one of a domain, into an empty home; nothing is issued anew",
    )
    .argument("<folder>", "where index.txt is, and the key below private")
    .option("--passphrase-file <file>", "file whose first line is the passphrase of its key")
    .option("--passphrase-exec <program...>", "program and arguments that print it")
    .action(async (folder: string, wish: AdoptWish, command: Command) =>
      adopt(contextOf(command), folder, wish),
    );
}

async function adopt(context: CommandContext, folder: string, wish: AdoptWish): Promise<void> {
  const source = { file: wish.passphraseFile, exec: wish.passphraseExec };
  const passphrase = await readSecret(source, "passphrase");
  const { adoptFolder } = await import("../../admin/offline.ts");
  const { home } = context.options;
  const adopted = await adoptFolder(home, { folder: resolve(folder), passphrase });
  printResult(context, adopted, ({ subject, certificates, withoutCertificate }) =>
    [
      `The CA ${subject} is in ${home}, with ${count(certificates, "certificate")} that it signed.`,
      ...(withoutCertificate === 0
        ? []
        : [
            `Of ${count(withoutCertificate, "line")} of its index the folder has no certificate: these are not in the inventory.`,
          ]),
      "Make the domain of it, with the same passphrase; hosts then join as always:",
      `  managedomain --initialize --home ${home}${passphrase === null ? "" : " --domain_passphrase_file FILE"}`,
      `Then remove ${resolve(folder)}, so that nobody else signs with its key.`,
      "`gatehouse plan rotate-ca --usage management` moves who has those certificates: it waits for each until it was revoked, as its process has joined, or waived.",
    ].join("\n"),
  );
}
