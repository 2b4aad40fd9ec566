import { DomainError } from "../../kit/index.ts";
import type { KeyProtection } from "../../keys/index.ts";
import type { CommandContext } from "../command-context.ts";
import type { Certificate } from "./provided-ca.ts";
import { reportSubmissions } from "./refusal.ts";

/**
 * Brings certificates to a home that `gatehouse recover` has left waiting for its own, and says what
 * became of each. Throws `certificate-rejected`, and `awaiting-signature` while its own is missing.
 */
export async function bringToRecovery(
  { terminal, options: { home } }: Pick<CommandContext, "terminal" | "options">,
  certificates: readonly Certificate[],
  keys: KeyProtection,
): Promise<void> {
  const { submitToHome } = await import("../../admin/offline.ts");
  const { submissions, recovered } = await submitToHome(home, { certificates, keys });
  const shown = submissions.map((each) => ({ ...each, differences: [...each.differences] }));
  if (recovered !== null)
    terminal.out(
      [
        `${recovered.hostId} has a new certificate, trust epoch ${recovered.epoch}. Start it: gatehouse node start --home ${home}`,
        "The other hosts come back as soon as they reach it: each makes its request then, for `gatehouse signing export`, unless its certificate was brought now.",
      ].join("\n"),
    );
  reportSubmissions(terminal, shown);
  if (recovered === null)
    throw new DomainError(
      "awaiting-signature",
      "the certificate of this host's Admin Node Manager was not among them, and without it nothing starts: bring it, too",
    );
}
