import { DomainError, type CredentialId } from "../../kit/index.ts";
import type { RouteBody } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { observeSecondsDefault, parseObserveSeconds } from "../duration.ts";
import { followRollout } from "../follow-rollout.ts";
import { planText } from "../render/plan-text.ts";
import { startNewPlan } from "../start-plan.ts";
import type { Given } from "./command-line.ts";
import { domainSigning } from "../signing/choice.ts";
import { keepRequest } from "../signing/request-file.ts";
import { awaitRequest } from "../signing/waiting.ts";
import { givenCa, signingChoice } from "./signing.ts";

/**
 * `managedomain --regen_certs`: on the Admin Node Manager's host a rotation of the management CA,
 * unless it is retained; else new leaf certificates for this host. Follows the rollout to its end.
 */
export async function regenerateCertificates(context: CommandContext, given: Given): Promise<void> {
  const choice = signingChoice(given);
  const ca = await givenCa(given, choice);
  const observeSeconds = parseObserveSeconds(given.text("observe") ?? observeSecondsDefault);
  const { openLocalHome } = await import("../../node/local.ts");
  const { joined } = await openLocalHome(context.options.home);
  if (joined === null)
    throw new DomainError(
      "home-missing",
      `${context.options.home} is not part of a domain: certificates are regenerated on a host of one, named with --home`,
    );
  const { isAdmin, hostId } = joined.settings;
  await asAdmin(context, async (admin) => {
    const { terminal } = context;
    const { mode, isElsewhere } = await domainSigning(admin, choice.mode, ca);
    const keepsCa = given.has("retain_domain_cert") || given.has("process");
    // A CA that is not this domain's own is replaced by `gatehouse plan change-signing`.
    const rotates = isAdmin && mode === "generated" && !keepsCa;
    const body: RouteBody<"createPlan"> = rotates
      ? { kind: "rotate-ca", usages: ["management"], observeSeconds, subject: null }
      : {
          kind: "replace-leaves",
          credentials: await credentialsOf(admin, hostId, given.texts("process")),
        };
    const { plan, rollout } = await startNewPlan(admin, body);
    terminal.out(planText(plan));
    if (isElsewhere && ca === null) {
      terminal.out(`${plan.title}: the keys are being made (${rollout.id}).`);
      return keepRequests(context, admin, plan.replaced);
    }
    await followRollout(admin, terminal, rollout.id, {
      asksPeople: true,
      timeoutSeconds: null,
      waiverReason: given.text("waive_unmanaged"),
      ca: ca ?? undefined,
    });
    terminal.out(
      `${plan.title}: done, ${plan.replaced.length} certificates replaced without a restart (${rollout.id}).`,
    );
  });
}

/** The certificates come from elsewhere, some day: the rollout waits, this command does not. */
async function keepRequests(
  { terminal }: CommandContext,
  admin: Admin,
  replaced: readonly CredentialId[],
): Promise<void> {
  for (const id of replaced.filter((each) => each.endsWith("/management"))) {
    const { requestPem } = await awaitRequest(admin, id, "this host");
    const [process = ""] = id.split("/");
    terminal.out(await keepRequest(`${process}.csr`, requestPem));
  }
}

/** The credentials of a host, or of those of its processes that were named. Throws `not-found`. */
async function credentialsOf(
  admin: Admin,
  hostId: string,
  processes: readonly string[],
): Promise<CredentialId[]> {
  const { credentials } = await admin.call("listCredentials");
  const own = credentials.filter((credential) => credential.hostId === hostId);
  const stranger = processes.find((id) => own.every(({ process }) => process !== id));
  if (stranger !== undefined)
    throw new DomainError(
      "not-found",
      `${stranger} is no process of this host: it has ${[...new Set(own.map(({ process }) => process))].join(", ")}`,
    );
  return own
    .filter(({ process }) => processes.length === 0 || processes.includes(process))
    .map(({ id }) => id);
}
