import { DomainError, type CredentialId } from "../../kit/index.ts";
import type { RouteBody } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { observeSecondsDefault, parseObserveSeconds } from "../duration.ts";
import { followRollout } from "../follow-rollout.ts";
import { planText } from "../render/plan-text.ts";
import { startNewPlan } from "../start-plan.ts";
import type { Given } from "./command-line.ts";
import { checkSigning } from "./signing.ts";

/**
 * `managedomain --regen_certs`: on the Admin Node Manager's host a rotation of the management CA,
 * unless it is retained; else new leaf certificates for this host. Follows the rollout to its end.
 */
export async function regenerateCertificates(context: CommandContext, given: Given): Promise<void> {
  checkSigning(given);
  const observeSeconds = parseObserveSeconds(given.text("observe") ?? observeSecondsDefault);
  const { openLocalHome } = await import("../../node/local.ts");
  const { joined } = await openLocalHome(context.options.home);
  if (joined === null)
    throw new DomainError(
      "home-missing",
      `${context.options.home} is not part of a domain: certificates are regenerated on a host of one, named with --home`,
    );
  const { isAdmin, hostId } = joined.settings;
  const rotates = isAdmin && !given.has("retain_domain_cert");
  await asAdmin(context, async (admin) => {
    const { terminal } = context;
    const body: RouteBody<"createPlan"> = rotates
      ? { kind: "rotate-ca", usages: ["management"], observeSeconds, subject: null }
      : { kind: "replace-leaves", credentials: await credentialsOf(admin, hostId) };
    const { plan, rollout } = await startNewPlan(admin, body);
    terminal.out(planText(plan));
    await followRollout(admin, terminal, rollout.id, {
      asksPeople: true,
      timeoutSeconds: null,
      waiverReason: given.text("waive_unmanaged"),
    });
    terminal.out(
      `${plan.title}: done, ${plan.replaced.length} certificates replaced without a restart (${rollout.id}).`,
    );
  });
}

async function credentialsOf(admin: Admin, hostId: string): Promise<CredentialId[]> {
  const { credentials } = await admin.call("listCredentials");
  return credentials.filter((credential) => credential.hostId === hostId).map(({ id }) => id);
}
