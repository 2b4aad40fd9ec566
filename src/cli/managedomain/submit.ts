import { DomainError } from "../../kit/index.ts";
import { collectCertificates } from "../../keys/index.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import type { Certificate } from "../signing/provided-ca.ts";
import { refuseUnreadable, reportSubmissions, warnUnreadable } from "../signing/refusal.ts";
import { withLocalIssuer } from "../signing/local-issuer.ts";
import { bringToRecovery } from "../signing/recovery.ts";
import { submitAll } from "../signing/waiting.ts";
import { reportJoined } from "./add.ts";
import type { Given } from "./command-line.ts";
import { givenEntityStore } from "./entity-store.ts";
import { reportFirstHost } from "./initialize.ts";
import { givenPassphrase } from "./passphrase.ts";
import { sameKeysText } from "./regenerate-locally.ts";

/**
 * `managedomain --submit_cert`: brings certificates that were signed elsewhere. They complete what
 * waits on this host, a first host or a join; those for keys that this host has in use are presented
 * by it, with or without an Admin Node Manager; else they go to the domain, for whatever waits there.
 */
export async function submitCertificates(context: CommandContext, given: Given): Promise<void> {
  const { options, terminal } = context;
  const files = [...given.texts("cert"), ...given.texts("ca")];
  const unread = await collectCertificates(files);
  const { certificates } = unread;
  warnUnreadable(terminal, unread);
  const offline = await import("../../admin/offline.ts");
  const keyPassphrase = await givenPassphrase(given, "key_passphrase");
  if (offline.awaitsFirstHost(options.home)) {
    requireCertificates(files);
    const passphrase = await givenPassphrase(given, "domain_passphrase");
    const { keys, save } = await givenEntityStore(given, options.home);
    const of = {
      certificates,
      keyPassphrase: keyPassphrase ?? keys.passphrases.current,
      passphrase,
      keys,
    };
    const outcome = await offline.completeFirstHost(options.home, of);
    await save();
    reportFirstHost(context, outcome, passphrase !== null);
    return refuseUnreadable(unread);
  }
  const local = await import("../../node/local.ts");
  const { layout } = await local.openLocalHome(options.home);
  if ((await local.readPendingJoin(layout)) !== null) {
    const { keys, save } = await givenEntityStore(given, options.home);
    const of = { certificates, keyPassphrase };
    const joined = await local.completeJoin(options.home, of, keys);
    await save();
    if (!("awaits" in joined)) return reportJoined(context, joined);
    reportSubmissions(terminal, joined.awaits.submissions);
    throw new DomainError(
      "awaiting-signature",
      "this host's certificate was not brought yet: give it with --cert, or run this again when it was submitted elsewhere",
    );
  }
  requireCertificates(files);
  if (context.options.anmHost === undefined && (await offline.awaitsRecovery(options.home))) {
    const { keys } = await givenEntityStore(given, options.home);
    await bringToRecovery(context, certificates, keys);
    return refuseUnreadable(unread);
  }
  const rest = await submitHere(context, certificates);
  if (rest.length > 0)
    await asAdmin(context, async (admin) =>
      (await admin.isReachable())
        ? reportSubmissions(terminal, await submitAll(admin, rest))
        : keepForLater(context, rest),
    );
  refuseUnreadable(unread);
}

/** Takes those for keys that this host has in use; returns the others, with those of CAs. */
async function submitHere(
  context: CommandContext,
  certificates: readonly Certificate[],
): Promise<readonly Certificate[]> {
  const { openLocalHome } = await import("../../node/local.ts");
  if ((await openLocalHome(context.options.home)).joined === null) return certificates;
  return withLocalIssuer(context, async (issuer) => {
    const { submissions, rest } = await issuer.take(certificates);
    reportSubmissions(context.terminal, submissions);
    if (submissions.length > 0) context.terminal.out(sameKeysText);
    return rest;
  });
}

/** For keys that wait on this host, which an Admin Node Manager has to record before they are shown. */
function keepForLater(
  context: CommandContext,
  certificates: readonly Certificate[],
): Promise<void> {
  return withLocalIssuer(context, async (issuer) => {
    reportSubmissions(context.terminal, await issuer.keepForLater(certificates));
    context.terminal.out(
      "No Admin Node Manager could be reached: the certificate is kept on this host, and presented when one is back and has recorded its key.",
    );
  });
}

function requireCertificates(files: readonly string[]): void {
  if (files.length === 0) throw new DomainError("usage", "--submit_cert needs --cert");
}
