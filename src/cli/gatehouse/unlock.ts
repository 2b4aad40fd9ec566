import { DomainError } from "../../kit/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import { readSecret } from "../secret-source.ts";
import { readBinaryFile } from "../text-file.ts";
import { requireJoined } from "./node.ts";

export interface UnlockWish {
  readonly passphraseFile?: string;
  readonly passphraseExec?: readonly string[];
}

/** `gatehouse authority unlock`: at the Admin Node Manager of this very host, unless another is named. */
export async function unlockKeys(context: CommandContext, wish: UnlockWish): Promise<void> {
  const options = await ownAdmin(context);
  const source = { file: wish.passphraseFile, exec: wish.passphraseExec };
  const passphrase = (await readSecret(source, "passphrase")) ?? (await ask(context));
  return asAdmin({ ...context, options }, async (admin) => {
    const done = await admin.call("unlockKeys", { body: { passphrase } });
    printResult(context, done, ({ hostId, wereLocked, authorities }) => {
      if (!wereLocked)
        return `The keys on ${hostId} were not locked, and the passphrase was not looked at.`;
      return authorities.length === 0
        ? `The keys on ${hostId} are unlocked; it signs with none yet: \`gatehouse findings\` says why.`
        : `The Admin Node Manager of ${hostId} signs with ${authorities.join(", ")}.`;
    });
  });
}

/** The Admin Node Manager of this very host, unless another is named. Throws `not-found`. */
async function ownAdmin(context: CommandContext): Promise<ConnectionOptions> {
  const { options } = context;
  if (options.anmHost !== undefined) return options;
  const { settings } = await requireJoined(options.home);
  if (!settings.isAdmin)
    throw new DomainError(
      "not-found",
      `${options.home} has no Admin Node Manager: run this on a host that has one, with its --home`,
    );
  return { ...options, anmHost: "127.0.0.1", anmPort: settings.port };
}

/** `gatehouse authority import`: gives the key of the user's CA to the Admin Node Manager of this host. */
export async function importKey(
  context: CommandContext,
  file: string,
  wish: UnlockWish,
): Promise<void> {
  const options = await ownAdmin(context);
  const pkcs12 = (await readBinaryFile(file, "the CA file")).toString("base64");
  const source = { file: wish.passphraseFile, exec: wish.passphraseExec };
  const passphrase = (await readSecret(source, "passphrase")) ?? "";
  return asAdmin({ ...context, options }, async (admin) => {
    const done = await admin.call("importKey", { body: { pkcs12, passphrase } });
    printResult(context, done, ({ hostId, authorityId, isEncrypted }) =>
      [
        `The Admin Node Manager of ${hostId} signs with ${authorityId} from now on, and certificates of it renew themselves.`,
        ...(isEncrypted
          ? []
          : [
              "The key is in its home without a passphrase: `managedomain --change_domain_passphrase` encrypts it.",
            ]),
      ].join("\n"),
    );
  });
}

async function ask({ terminal: { prompts } }: CommandContext): Promise<string> {
  if (prompts !== null) return prompts.secret("Passphrase of the keys on this host");
  throw new DomainError(
    "usage",
    "nobody can be asked here for the passphrase: give --passphrase-file or --passphrase-exec",
  );
}
