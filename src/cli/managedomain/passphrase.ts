import { DomainError } from "../../kit/index.ts";
import type { CommandContext } from "../command-context.ts";
import { readSecret, shellCommand } from "../secret-source.ts";
import type { Terminal } from "../terminal.ts";
import type { Given } from "./command-line.ts";

type PassphraseName =
  | "domain_passphrase"
  | "key_passphrase"
  | "nm_entitystore_passphrase"
  | "passphrase"
  | "old_passphrase"
  | "new_passphrase";

/** What an option, its file or its command gives; null where none of them is there. */
export function givenPassphrase(given: Given, name: PassphraseName): Promise<string | null> {
  const command = given.text(`${name}_exec`);
  const source = {
    text: given.text(name),
    file: given.text(`${name}_file`),
    exec: command === undefined ? undefined : shellCommand(command),
  };
  return readSecret(source, name.replaceAll("_", " "));
}

/** `managedomain --change_domain_passphrase`: on the files of this home, offline. */
export async function changePassphrase(
  { terminal, options }: CommandContext,
  given: Given,
): Promise<void> {
  const old = await givenPassphrase(given, "old_passphrase");
  const next =
    (await givenPassphrase(given, "new_passphrase")) ?? (await askNew(terminal, "the keys"));
  if (next === "")
    throw new DomainError(
      "invalid-input",
      "the new passphrase is empty: the keys stay as they are",
    );
  const offline = await import("../../admin/offline.ts");
  // Documented: where there was none, the old one is empty.
  const files = await offline.changePassphrase(options.home, { old: old || null, new: next });
  terminal.out(
    [
      "These keys are encrypted with the new passphrase:",
      ...files.map((file) => `  ${file}`),
      "Without it they are lost: keep it apart from the backup of these files. When the Admin Node Manager has started, let it sign with",
      `  gatehouse authority unlock --home ${options.home}`,
    ].join("\n"),
  );
}

/** Asks for a new passphrase of `what`, twice. Throws `usage` where nobody can be asked. */
export async function askNew(terminal: Terminal, what: string): Promise<string> {
  const { prompts } = terminal;
  if (prompts === null)
    throw new DomainError(
      "usage",
      "nobody can be asked here for the new passphrase: give --new_passphrase_file or --new_passphrase_exec",
    );
  for (;;) {
    const first = await prompts.secret(`New passphrase of ${what}`);
    if (first === (await prompts.secret("The same again"))) return first;
    terminal.err("the two are not the same: once more");
  }
}
