import type { Passphrases } from "../keys/index.ts";
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
