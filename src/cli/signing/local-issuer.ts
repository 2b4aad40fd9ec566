import { askedPassphrases } from "../asked-passphrases.ts";
import type { CommandContext } from "../command-context.ts";
import type { LocalIssuer } from "../../node/local.ts";

/** Does `work` with this host's own issuer of certificates, which needs no Admin Node Manager. */
export async function withLocalIssuer<T>(
  context: CommandContext,
  work: (issuer: LocalIssuer) => Promise<T>,
): Promise<T> {
  const { openLocalIssuer } = await import("../../node/local.ts");
  const issuer = await openLocalIssuer(context.options.home, (layout) =>
    askedPassphrases(context, layout),
  );
  try {
    return await work(issuer);
  } finally {
    issuer.close();
  }
}
