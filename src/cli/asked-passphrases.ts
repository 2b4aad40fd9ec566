import type { KeyProtection, Passphrases } from "../keys/index.ts";
import { asksForPassphrase, type LocalHome } from "../node/local.ts";
import type { CommandContext } from "./command-context.ts";

/**
 * The passphrase of the Node Manager's keys, where somebody has to be asked for it; null where nobody
 * has to, or can be.
 */
export async function askedPassphrases(
  { terminal: { prompts } }: Pick<CommandContext, "terminal">,
  layout: LocalHome["layout"],
): Promise<Passphrases | null> {
  if (prompts === null || !(await asksForPassphrase(layout))) return null;
  return { current: await prompts.secret("Passphrase of the Node Manager's keys"), former: [] };
}

/** How the Node Manager's keys are protected, of which a new one is made. */
export async function entityStoreOf(
  context: Pick<CommandContext, "terminal" | "options">,
): Promise<KeyProtection> {
  const { openEntityStore, openLocalHome } = await import("../node/local.ts");
  const { layout } = await openLocalHome(context.options.home);
  return openEntityStore(layout, await askedPassphrases(context, layout));
}
