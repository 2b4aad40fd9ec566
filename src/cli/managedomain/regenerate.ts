import { DomainError, type CredentialId, type HostId } from "../../kit/index.ts";
import type { RouteBody } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { observeSecondsDefault, parseObserveSeconds } from "../duration.ts";
import { followRollout } from "../follow-rollout.ts";
import { planText } from "../render/plan-text.ts";
import { count } from "../render/table.ts";
import { startNewPlan } from "../start-plan.ts";
import type { Given } from "./command-line.ts";
import { domainSigning } from "../signing/choice.ts";
import {
  hasCollected,
  hasReplaced,
  openRotation,
  type OpenRotation,
} from "../signing/join-rotation.ts";
import type { ProvidedCa } from "../signing/provided-ca.ts";
import { protectPending } from "../signing/key-passphrase.ts";
import { keepRequest } from "../signing/request-file.ts";
import { awaitRequest } from "../signing/waiting.ts";
import { givenPassphrase } from "./passphrase.ts";
import { regenerateLocally } from "./regenerate-locally.ts";
import { givenCa, signingChoice } from "./signing.ts";

/**
 * `managedomain --regen_certs`: on the Admin Node Manager's host a rotation of the management CA,
 * unless it is retained; else new leaf certificates for this host. Follows the rollout to its end.
 */
export async function regenerateCertificates(context: CommandContext, given: Given): Promise<void> {
  const choice = signingChoice(given);
  const ca = await givenCa(given, choice);
  const keyPassphrase = await givenPassphrase(given, "key_passphrase");
  const observeSeconds = parseObserveSeconds(given.text("observe") ?? observeSecondsDefault);
  const { openLocalHome } = await import("../../node/local.ts");
  const { joined } = await openLocalHome(context.options.home);
  if (joined === null)
    throw new DomainError(
      "home-missing",
      `${context.options.home} is not part of a domain: certificates are regenerated on a host of one, named with --home`,
    );
  const { isAdmin, hostId } = joined.settings;
  const keepsCa = given.has("retain_domain_cert") || given.has("process");
  await asAdmin(context, async (admin) => {
    const { terminal } = context;
    const processes = given.texts("process");
    const waiverReason = given.text("waive_unmanaged");
    if (!(await admin.isReachable())) {
      const { mode } = choice;
      const asked = { isAdmin, keepsCa, processes, observeSeconds, waiverReason };
      return regenerateLocally(context, { mode, ca, ...asked });
    }
    // Whose host has the CA says whether it stays; every other host follows.
    const open = isAdmin && keepsCa ? null : await openRotation(admin, choice.mode, ca);
    if (open !== null) {
      if (open.mode !== "generated") await protectPending(admin, hostId as HostId, keyPassphrase);
      const credentials = await credentialsOf(admin, hostId, processes);
      const share = { credentials, hostId, isAdmin, ca, waiverReason };
      return joinRotation(context, admin, open, share);
    }
    const { mode, isElsewhere } = await domainSigning(admin, choice.mode, ca);
    if (isElsewhere) await protectPending(admin, hostId as HostId, keyPassphrase);
    // A CA that is not this domain's own is replaced by `gatehouse plan change-signing`.
    const rotates = isAdmin && mode === "generated" && !keepsCa;
    const body: RouteBody<"createPlan"> = rotates
      ? { kind: "rotate-ca", usages: ["management"], observeSeconds, subject: null }
      : {
          kind: "replace-leaves",
          credentials: await credentialsOf(admin, hostId, processes),
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
      waiverReason,
      ca: ca ?? undefined,
    });
    terminal.out(
      `${plan.title}: done, ${plan.replaced.length} certificates replaced without a restart (${rollout.id}).`,
    );
  });
}

interface HostShare {
  /** Of this host. */
  readonly credentials: readonly CredentialId[];
  readonly hostId: string;
  /** Where the rotation is awaited as a whole, as where it was begun. */
  readonly isAdmin: boolean;
  readonly ca: ProvidedCa | null;
  readonly waiverReason: string | undefined;
}

/** Waits for this host's share of a rotation that is under way; a second one would make a second CA. */
async function joinRotation(
  context: CommandContext,
  admin: Admin,
  { rollout: { id, title }, mode }: OpenRotation,
  { credentials, hostId, isAdmin, ca, waiverReason }: HostShare,
): Promise<void> {
  const { terminal } = context;
  const own = credentials.filter((each) => each.endsWith("/management"));
  const awaited = isAdmin ? "its end" : "this host's share of it";
  terminal.out(`${title} is under way (${id}): ${awaited} is waited for.`);
  const wishes = { asksPeople: true, timeoutSeconds: null, waiverReason };
  const isByHand = mode === "external" || (mode === "provided" && ca === null);
  if (isByHand) {
    await followRollout(admin, terminal, id, { ...wishes, isFarEnough: hasCollected });
    return keepRequests(context, admin, own);
  }
  await followRollout(admin, terminal, id, {
    ...wishes,
    ca: ca ?? undefined,
    concerns: (request) => request.hostId === hostId,
    isFarEnough: (rollout) => !isAdmin && hasReplaced(rollout, own),
  });
  terminal.out(
    `${title}: this host has ${count(own.length, "certificate")} of it, replaced without a restart (${id}).`,
  );
}

/** The certificates come from elsewhere, some day: the rollout waits, this command does not. */
async function keepRequests(
  { terminal }: CommandContext,
  admin: Admin,
  replaced: readonly CredentialId[],
): Promise<void> {
  const { requests } = await admin.call("listSigningRequests");
  const brought = new Set(requests.filter(({ isSigned }) => isSigned).map(({ id }) => id));
  for (const id of replaced.filter((each) => each.endsWith("/management") && !brought.has(each))) {
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
