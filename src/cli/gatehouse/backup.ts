import { resolve } from "node:path";
import { DomainError } from "../../kit/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { findHost } from "../lookup.ts";
import { count } from "../render/table.ts";
import { readSecret } from "../secret-source.ts";

interface Passphrases {
  readonly passphraseFile?: string;
  readonly passphraseExec?: readonly string[];
  readonly keyPassphraseFile?: string;
  readonly keyPassphraseExec?: readonly string[];
}

export type BackupWish = Passphrases;
export interface RestoreWish extends Passphrases {
  readonly host?: string;
  readonly waive?: readonly string[];
}

/** `gatehouse backup`: the file is tried out before the domain is told of it. */
export async function makeBackup(
  context: CommandContext,
  file: string,
  wish: BackupWish,
): Promise<void> {
  const path = resolve(file);
  const keyPassphrase = await keyPassphraseOf(wish);
  const passphrase = (await passphraseOf(wish)) ?? (await askNew(context));
  const { backUpHome } = await import("../../admin/offline.ts");
  return asAdmin(context, async (admin) => {
    const made = await backUpHome(context.options.home, { path, passphrase, keyPassphrase });
    const keys = [...made.keys];
    await admin.call("recordKeyCopies", { body: { keys, where: path, isBackup: true } });
    printResult(context, { path, keys, epoch: made.epoch }, () =>
      [
        `${path} holds the domain as of trust epoch ${made.epoch}: ${count(made.hosts.length, "host")}, ${count(made.issuances, "issuance")}, ${count(made.records, "audit record")}, the keys ${keys.join(", ")}.`,
        ...(made.inToken.length === 0
          ? []
          : [
              `Not in it: ${made.inToken.join(", ")}, whose keys never leave their token; copy that with its own tool, then: gatehouse authority backed-up ${made.inToken.join(" ")} --where TEXT`,
            ]),
        "It was opened and checked. Keep it off this machine, and its passphrase apart from it.",
      ].join("\n"),
    );
  });
}

/** `gatehouse restore`. */
export async function restoreBackup(
  context: CommandContext,
  file: string,
  wish: RestoreWish,
): Promise<void> {
  const { home } = context.options;
  const passphrase = (await passphraseOf(wish)) ?? (await ask(context, "Passphrase of the backup"));
  const { restoreHome } = await import("../../admin/offline.ts");
  const { settings, manifest, epoch, waitsFor } = await restoreHome(home, {
    path: resolve(file),
    passphrase,
    keyPassphrase: await keyPassphraseOf(wish),
    host: wish.host ?? null,
    waived: wish.waive ?? [],
  });
  const { hostId } = settings;
  printResult(context, { hostId, epoch, madeAtMs: manifest.madeAtMs, waitsFor }, () =>
    [
      `${home} is ${hostId} as of ${new Date(manifest.madeAtMs).toISOString()}, trust epoch ${epoch}. Start it: gatehouse node start --home ${home}`,
      ...(waitsFor.length === 0
        ? []
        : [
            `It publishes nothing before it has heard of ${waitsFor.join(", ")}: each shows what it knows as soon as its Node Manager reaches ${settings.adminAddress}:${settings.adminPort}. One that is gone is passed over with: gatehouse host waive HOST --reason TEXT --home ${home}`,
          ]),
    ].join("\n"),
  );
}

/** `gatehouse authority backed-up`. */
export function recordCopies(
  context: CommandContext,
  keys: readonly string[],
  where: string,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    await admin.call("recordKeyCopies", { body: { keys: [...keys], where, isBackup: false } });
    context.terminal.err(`Recorded: ${keys.join(", ")}`);
  });
}

/** `gatehouse host waive`. */
export function waiveHost(context: CommandContext, name: string, reason: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { id } = findHost(await admin.call("getTopology"), name);
    await admin.call("waiveUnheard", { body: { hostId: id, reason } });
    context.terminal.err(`${name} is not waited for.`);
  });
}

function passphraseOf({
  passphraseFile: file,
  passphraseExec: exec,
}: Pick<Passphrases, "passphraseFile" | "passphraseExec">) {
  return readSecret({ file, exec }, "passphrase");
}

function keyPassphraseOf({ keyPassphraseFile: file, keyPassphraseExec: exec }: Passphrases) {
  return readSecret({ file, exec }, "key passphrase");
}

async function ask({ terminal: { prompts } }: CommandContext, question: string): Promise<string> {
  if (prompts !== null) return prompts.secret(question);
  throw new DomainError(
    "usage",
    "nobody can be asked here for the passphrase: give --passphrase-file or --passphrase-exec",
  );
}

async function askNew(context: CommandContext): Promise<string> {
  for (;;) {
    const first = await ask(context, "Passphrase of the new backup");
    if (first !== "" && first === (await ask(context, "The same again"))) return first;
    context.terminal.err("the two are not the same, or empty: once more");
  }
}
