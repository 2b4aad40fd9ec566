import { DomainError, type CredentialId } from "../../kit/index.ts";
import { collectCertificates } from "../../keys/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { table, timeText } from "../render/table.ts";
import { writeCeremony } from "../signing/ceremony.ts";
import { openProvidedCa } from "../signing/provided-ca.ts";
import { refuseUnreadable, reportSubmissions, warnUnreadable } from "../signing/refusal.ts";
import { refuseWaiting } from "../signing/waiting-here.ts";
import { bringToRecovery } from "../signing/recovery.ts";
import { signWaiting, submitAll } from "../signing/waiting.ts";
import { readSecret, type SecretSource } from "../secret-source.ts";
import { entityStoreOf } from "../asked-passphrases.ts";

/** `gatehouse signing list`. Throws `awaiting-signature` where this home itself waits for its first. */
export async function listRequests(context: CommandContext): Promise<void> {
  if (context.options.anmHost === undefined) await refuseWaiting(context.options.home);
  return asAdmin(context, async (admin) => {
    const { requests } = await admin.call("listSigningRequests");
    printResult(context, requests, (all) =>
      table(
        ["REQUEST", "HOST", "SUBJECT", "TO BE SIGNED BY", "SINCE", "STATE"],
        all.map((request) => [
          request.id,
          request.hostName,
          request.subject,
          request.authoritySubject,
          timeText(request.createdAtMs),
          request.isSigned ? "brought" : "waits",
        ]),
      ),
    );
  });
}

/** `gatehouse signing export`: a folder with a manifest and a file for each request that waits. */
export function exportRequests(context: CommandContext, folder: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { requests } = await admin.call("listSigningRequests");
    const waiting = requests.filter(({ isSigned }) => !isSigned);
    if (waiting.length === 0)
      throw new DomainError("not-found", "no request waits for its certificate: nothing to export");
    await writeCeremony(folder, waiting);
    printResult(
      context,
      { folder, requests: waiting.map(({ id }) => id) },
      () =>
        `${waiting.length} requests are in ${folder}, with manifest.json. When their certificates are beside them: gatehouse signing submit ${folder}`,
    );
  });
}

/** `gatehouse signing submit`: certificates in any order, in files or folders. */
export async function submitFiles(
  { terminal, ...context }: CommandContext,
  paths: readonly string[],
): Promise<void> {
  const given = await collectCertificates(paths);
  warnUnreadable(terminal, given);
  const { awaitsRecovery } = await import("../../admin/offline.ts");
  if (context.options.anmHost === undefined && (await awaitsRecovery(context.options.home))) {
    const keys = await entityStoreOf({ terminal, ...context });
    await bringToRecovery({ terminal, ...context }, given.certificates, keys);
    return refuseUnreadable(given);
  }
  await asAdmin({ terminal, ...context }, async (admin) =>
    reportSubmissions(terminal, await submitAll(admin, given.certificates)),
  );
  refuseUnreadable(given);
}

/** `gatehouse signing sign`: signs all that waits with a CA of the user's. */
export async function signRequests(
  context: CommandContext,
  caFile: string,
  passphrase: SecretSource,
): Promise<void> {
  const secret = (await readSecret(passphrase, "passphrase")) ?? "";
  const ca = await openProvidedCa(caFile, secret, context.options.home);
  await asAdmin(context, async (admin) => {
    const submissions = await signWaiting(admin, ca, () => true);
    if (submissions.length === 0)
      return context.terminal.out("No request waits for its certificate.");
    reportSubmissions(context.terminal, submissions);
  });
}

/** `gatehouse signing cancel`: a request in the domain, or what waits on this host. */
export async function cancelRequest(
  context: CommandContext,
  id: CredentialId | undefined,
): Promise<void> {
  const { options, terminal } = context;
  if (id !== undefined)
    return asAdmin(context, async (admin) => {
      await admin.call("cancelSigningRequest", { body: { id } });
      terminal.out(
        `The request of ${id} is cancelled; if its certificate is still wanted, its host asks anew, with another key.`,
      );
    });
  const offline = await import("../../admin/offline.ts");
  const local = await import("../../node/local.ts");
  const { layout } = await local.openLocalHome(options.home);
  const join = await local.readPendingJoin(layout);
  if (join === null && !offline.awaitsFirstHost(options.home))
    throw new DomainError(
      "not-found",
      `nothing waits on this host (${options.home}): name a request that \`gatehouse signing list\` shows`,
    );
  await offline.cancelFirstHost(options.home);
  await local.cancelJoin(layout);
  terminal.out(
    join === null
      ? "The first host is cancelled; its key is removed."
      : `The join is cancelled; its key is removed. The domain still waits for ${join.nodeManagerId}: gatehouse host delete`,
  );
}
