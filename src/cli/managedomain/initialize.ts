import { dirname } from "node:path";
import { DomainError } from "../../kit/index.ts";
import { propsPath } from "../admin-session.ts";
import type { CommandContext } from "../command-context.ts";
import { findLogin } from "../credentials.ts";
import { readProps } from "../props.ts";
import type { Given } from "./command-line.ts";
import { newHostOf } from "./new-host.ts";
import { givenPassphrase } from "./passphrase.ts";

const domainNameLengthMax = 64;

/** `managedomain --initialize`: makes a domain on this host, offline. */
export async function initialize(
  { terminal, options }: CommandContext,
  given: Given,
): Promise<void> {
  const host = newHostOf(given);
  const domainName = domainNameOf(given.text("domain_name") ?? "CN=Domain");
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
  const passphrase = await givenPassphrase(given, "domain_passphrase");
  if (passphrase === "") throw new DomainError("invalid-input", "--domain_passphrase is empty");
  const { initializeHome } = await import("../../admin/offline.ts");
  terminal.out(`Making the domain in ${options.home}:`);
  terminal.out("  making its CAs, its trust-signing key, and this host's key and certificate ...");
  const made = await initializeHome(options.home, {
    ...host,
    domainName,
    administrator: { name: username, password },
    passphrase,
  });
  const { settings } = made;
  terminal.out(
    [
      `Host:               ${host.hostName} [${settings.hostId}]`,
      `Admin Node Manager: ${settings.name} [${settings.nodeManagerId}] (https://${host.address}:${settings.port})`,
      `Administrator:      ${username}`,
      `Domain CA:          ${domainName}`,
      `SHA-256 fingerprint of the domain CA, to be compared at the first contact from elsewhere:`,
      `  ${made.authorityFingerprint}`,
      `The key of the domain CA is in ${made.authorityKeyFile}.`,
      `Back up ${dirname(made.authorityKeyFile)} to a safe place: without it no certificate can be issued, and whoever has it can issue any.`,
      ...(passphrase === null
        ? []
        : [
            "It is encrypted: whenever the Admin Node Manager has started, let it sign with `gatehouse authority unlock`.",
          ]),
      "You may now start the Node Manager:",
      `  gatehouse node start --home ${options.home}`,
    ].join("\n"),
  );
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
