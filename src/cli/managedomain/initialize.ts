import { dirname } from "node:path";
import { DomainError, type CredentialId } from "../../kit/index.ts";
import { propsPath } from "../admin-session.ts";
import type { CommandContext } from "../command-context.ts";
import type { FirstHostOutcome, FirstHostRequest, InitializedHome } from "../../admin/offline.ts";
import { findLogin } from "../credentials.ts";
import { readProps } from "../props.ts";
import type { Given } from "./command-line.ts";
import { givenEntityStore } from "./entity-store.ts";
import { newHostOf } from "./new-host.ts";
import { givenPassphrase } from "./passphrase.ts";
import { checkRequestFile, keepRequest } from "../signing/request-file.ts";
import type { ProvidedCa } from "../signing/provided-ca.ts";
import { reportSubmissions } from "../signing/refusal.ts";
import { givenCa, signingChoice } from "./signing.ts";
import { givenToken } from "./token-options.ts";

const domainNameLengthMax = 64;

/** `managedomain --initialize`: makes a domain on this host, offline. */
export async function initialize(context: CommandContext, given: Given): Promise<void> {
  const { terminal, options } = context;
  const host = newHostOf(given);
  const choice = signingChoice(given);
  await checkRequestFile(given.text("csr"));
  const ca = await givenCa(given, choice);
  const token = await givenToken(terminal, given, choice);
  const domainName = domainNameOf(given.text("domain_name") ?? "CN=Domain");
  await refuseWaiting(options.home);
  const { openLocalHome } = await import("../../node/local.ts");
  if ((await openLocalHome(options.home)).joined !== null)
    throw new DomainError(
      "home-exists",
      `${options.home} is part of a domain already: choose another folder with --home, or remove this one first`,
    );
  const { username, password } = await findLogin(
    options,
    await readProps(propsPath(options.home)),
    terminal,
    { isNew: true },
  );
  const wish = { ...host, administrator: { name: username, password } };
  terminal.out(`Making the domain in ${options.home}:`);
  if (choice.mode !== null && choice.mode !== "generated")
    return initializeElsewhere(context, given, { ...wish, signing: choice.mode }, ca);
  const entityStore = await givenEntityStore(given, options.home);
  const { keys } = entityStore;
  const passphrase = await givenPassphrase(given, "domain_passphrase");
  if (passphrase === "") throw new DomainError("invalid-input", "--domain_passphrase is empty");
  const { initializeHome } = await import("../../admin/offline.ts");
  terminal.out("  making its CAs, its trust-signing key, and this host's key and certificate ...");
  const { digest } = choice;
  const made = await initializeHome(options.home, {
    ...wish,
    domainName,
    digest,
    passphrase,
    keys,
    ...(token === null ? {} : { token }),
  });
  await entityStore.save();
  const isLocked = passphrase !== null || (token !== null && token.pin !== null);
  terminal.out(madeText(options.home, made, isLocked));
}

/** A request that waits for its certificate is not thrown away unasked. Throws `home-exists`. */
async function refuseWaiting(home: string): Promise<void> {
  const { awaitsFirstHost } = await import("../../admin/offline.ts");
  if (awaitsFirstHost(home))
    throw new DomainError(
      "home-exists",
      `${home} waits for the certificate of its first host: bring it with --submit_cert, or cancel with \`gatehouse signing cancel\``,
    );
}

/** A CA of the user's signs the certificate at once, an external one for `--submit_cert`. */
async function initializeElsewhere(
  { terminal, options }: CommandContext,
  given: Given,
  request: FirstHostRequest,
  ca: ProvidedCa | null,
): Promise<void> {
  const { completeFirstHost, requestFirstHost } = await import("../../admin/offline.ts");
  terminal.out("  making this host's key and the request for its certificate ...");
  const entityStore = await givenEntityStore(given, options.home);
  const { keys } = entityStore;
  const keyPassphrase =
    (await givenPassphrase(given, "key_passphrase")) ?? keys.passphrases.current;
  const waiting = await requestFirstHost(options.home, request, keyPassphrase);
  await entityStore.save();
  if (ca === null)
    return terminal.out(
      await keepRequest(given.text("csr") ?? "nodemanager-1.csr", waiting.requestPem),
    );
  terminal.out("  signing it with your CA ...");
  const outcome = await completeFirstHost(options.home, {
    certificates: [await ca.sign(waiting.requestPem), ...ca.chain],
    keyPassphrase,
    passphrase: null,
    keys,
  });
  reportFirstHost({ terminal, options }, outcome, false);
}

/** Says what became of a first host whose certificate was brought. Throws `certificate-rejected`. */
export function reportFirstHost(
  { terminal, options }: Pick<CommandContext, "terminal" | "options">,
  outcome: FirstHostOutcome,
  isEncrypted: boolean,
): void {
  if ("made" in outcome) return terminal.out(madeText(options.home, outcome.made, isEncrypted));
  const { certificate, differences } = outcome;
  const id = "nodemanager-1/management" as CredentialId;
  reportSubmissions(terminal, [{ id, certificate, differences: [...differences] }]);
}

/** What a new domain is, and what comes next. */
function madeText(home: string, made: InitializedHome, isEncrypted: boolean): string {
  const { settings } = made;
  return [
    `Host:               ${made.hostName} [${settings.hostId}]`,
    `Admin Node Manager: ${settings.name} [${settings.nodeManagerId}] (https://${settings.adminAddress}:${settings.port})`,
    `Administrator:      ${made.administrator}`,
    `Domain CA:          ${made.authoritySubject}`,
    `SHA-256 fingerprint of the domain CA, to be compared at the first contact from elsewhere:`,
    `  ${made.authorityFingerprint}`,
    ...keyText(made),
    ...(isEncrypted
      ? [
          "It is locked: whenever the Admin Node Manager has started, let it sign with `gatehouse authority unlock`.",
        ]
      : []),
    "You may now start the Node Manager:",
    `  gatehouse node start --home ${home}`,
  ].join("\n");
}

/** Where the key of the CA is. */
function keyText({ authorityKeyFile: file, keyInToken }: InitializedHome): string[] {
  if (file === null)
    return ["Its key is not on this host: certificates are signed with it elsewhere, and brought."];
  if (keyInToken !== undefined)
    return [
      `The key of the domain CA is in the token ${keyInToken.token}, labelled ${keyInToken.label}, and never leaves it; that of the traffic CA too.`,
      "No backup of Gatehouse holds it: make a copy of the token with its own tool.",
    ];
  return [
    `The key of the domain CA is in ${file}.`,
    `Back up ${dirname(file)} to a safe place: without it no certificate can be issued, and whoever has it can issue any.`,
  ];
}

/** The subject of the CA; a bare name becomes its common name, as people mean it. */
function domainNameOf(text: string): string {
  const subject = text.includes("=") ? text : `CN=${text}`;
  const [, commonName] = /^\s*CN\s*=\s*(.*)$/i.exec(subject) ?? [];
  if (commonName !== undefined && commonName.length > domainNameLengthMax)
    throw new DomainError(
      "invalid-name",
      `--domain_name has ${commonName.length} characters: at most ${domainNameLengthMax} are allowed`,
    );
  return subject;
}
