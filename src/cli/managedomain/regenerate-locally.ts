import type { CredentialId, ProcessId } from "../../kit/index.ts";
import { DomainError } from "../../kit/index.ts";
import type { CommandContext } from "../command-context.ts";
import { count } from "../render/table.ts";
import { requireMode, type SigningMode } from "../signing/choice.ts";
import type { ProvidedCa } from "../signing/provided-ca.ts";
import { reportSubmissions } from "../signing/refusal.ts";
import { withLocalIssuer } from "../signing/local-issuer.ts";
import { keepRequest } from "../signing/request-file.ts";

/** What goes on where no Admin Node Manager can be asked. */
export const sameKeysText =
  "The keys stay: peers know no others until an Admin Node Manager has recorded them. Run --regen_certs again when one is back, if the keys are to change too.";

/**
 * The same with no Admin Node Manager: other certificates for the keys of this host, signed with the
 * CA of the file at hand, or requests for whoever signs elsewhere. Throws `unreachable` where the CA is
 * the domain's own.
 */
export async function regenerateLocally(
  context: CommandContext,
  of: {
    readonly mode: SigningMode | null;
    readonly ca: ProvidedCa | null;
    readonly processes: readonly string[];
  },
): Promise<void> {
  const { terminal } = context;
  await withLocalIssuer(context, async (issuer) => {
    const processes = of.processes as readonly ProcessId[];
    const signer = of.ca?.chain[0] ?? null;
    const { signing, requests } = await issuer.request({ processes, signer });
    requireMode(of.mode, signing);
    if (signing === "generated")
      throw new DomainError(
        "unreachable",
        "no Admin Node Manager can be reached, and the CA of this domain signs there: start one, then run this again",
      );
    if (of.ca === null) return terminal.out(await keepRequests(requests));
    const certificates = [];
    for (const { requestPem } of requests) certificates.push(await of.ca.sign(requestPem));
    reportSubmissions(terminal, (await issuer.take(certificates)).submissions);
    terminal.out(
      `No Admin Node Manager could be reached: ${count(certificates.length, "certificate")} of this host replaced without one, in the domain's inventory and audit log when one is back.`,
    );
    terminal.out(sameKeysText);
  });
}

async function keepRequests(
  requests: readonly { readonly credentialId: CredentialId; readonly requestPem: string }[],
): Promise<string> {
  const lines = [
    "No Admin Node Manager could be reached: these requests are for the present keys.",
  ];
  for (const { credentialId, requestPem } of requests) {
    const [process = ""] = credentialId.split("/");
    lines.push(await keepRequest(`${process}.csr`, requestPem));
  }
  return [...lines, sameKeysText].join("\n");
}
