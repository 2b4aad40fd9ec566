import type { CredentialId, ProcessId } from "../../kit/index.ts";
import { DomainError } from "../../kit/index.ts";
import type { CommandContext } from "../command-context.ts";
import { nodeStatus } from "../node-control.ts";
import { count } from "../render/table.ts";
import { requireMode, type SigningMode } from "../signing/choice.ts";
import type { ProvidedCa } from "../signing/provided-ca.ts";
import { reportSubmissions } from "../signing/refusal.ts";
import { withLocalIssuer } from "../signing/local-issuer.ts";
import { keepRequest } from "../signing/request-file.ts";

/** What goes on where no Admin Node Manager can be asked. */
export const sameKeysText =
  "The keys stay: peers know no others until an Admin Node Manager has recorded them. Run --regen_certs again when one is back, if the keys are to change too.";

/** What `--regen_certs` was asked for on a host. */
export interface LocalWish {
  readonly mode: SigningMode | null;
  readonly ca: ProvidedCa | null;
  readonly isAdmin: boolean;
  readonly keepsCa: boolean;
  readonly processes: readonly string[];
  readonly observeSeconds: number;
  readonly waiverReason: string | undefined;
}

/**
 * The same with no Admin Node Manager: other certificates for the keys of this host, signed with the
 * CA of the file at hand, or requests for whoever signs elsewhere. Where the CA is the domain's own, and
 * nothing runs on its host, the plan for it is recorded. Throws `unreachable` on other hosts.
 */
export async function regenerateLocally(context: CommandContext, wish: LocalWish): Promise<void> {
  const { terminal } = context;
  const isDone = await withLocalIssuer(context, async (issuer) => {
    const processes = wish.processes as readonly ProcessId[];
    const signer = wish.ca?.chain[0] ?? null;
    const { signing, requests } = await issuer.request({ processes, signer });
    requireMode(wish.mode, signing);
    if (signing === "generated") return false;
    if (wish.ca === null) {
      terminal.out(await keepRequests(requests));
      return true;
    }
    const certificates = [];
    for (const { requestPem } of requests) certificates.push(await wish.ca.sign(requestPem));
    reportSubmissions(terminal, (await issuer.take(certificates)).submissions);
    terminal.out(
      `No Admin Node Manager could be reached: ${count(certificates.length, "certificate")} of this host replaced without one, in the domain's inventory and audit log when one is back.\n${sameKeysText}`,
    );
    return true;
  });
  if (!isDone) await recordPlan(context, wish);
}

/** The CA of the domain's own: what is recorded on its host begins with its Admin Node Manager. */
async function recordPlan(
  { terminal, options: { home } }: CommandContext,
  { isAdmin, keepsCa, ...wish }: LocalWish,
): Promise<void> {
  if (!isAdmin || (await nodeStatus(home)) !== null)
    throw new DomainError(
      "unreachable",
      "no Admin Node Manager can be reached, and the CA of this domain signs there: start one, then run this again",
    );
  const { planOffline } = await import("../../admin/offline.ts");
  const { title, replaced, rollout } = await planOffline(home, { ...wish, rotatesCa: !keepsCa });
  terminal.out(
    `${title} is recorded (${rollout}) and begins when this host's Node Manager is started, so that nobody meets a certificate that he does not trust yet: \`gatehouse node start\`, then \`gatehouse rollout watch ${rollout}\`; ${count(replaced.length, "certificate")} will be replaced.`,
  );
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
