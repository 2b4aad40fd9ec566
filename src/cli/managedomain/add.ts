import { DomainError } from "../../kit/index.ts";
import type { JoinedHost } from "../../node/local.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { propsPath } from "../admin-session.ts";
import { findDomain, givenServer } from "../first-contact.ts";
import { readProps, type Props } from "../props.ts";
import { timeText } from "../render/table.ts";
import { readTextFile } from "../text-file.ts";
import { wantsAdmin, type Given } from "./command-line.ts";
import { givenDatabaseLogin, tryDatabaseLogin } from "./database-login.ts";
import { givenEntityStore } from "./entity-store.ts";
import { newHostOf, type NewHost } from "./new-host.ts";
import { givenPassphrase } from "./passphrase.ts";
import { reportSubmissions } from "../signing/refusal.ts";
import { checkRequestFile, keepRequest } from "../signing/request-file.ts";
import { givenCa, signingChoice } from "./signing.ts";

const tokenSeconds = 300;

/** `managedomain --add`: joins this host to a domain, with a join token or an administrator's login. */
export async function add(context: CommandContext, given: Given): Promise<void> {
  const { terminal, options } = context;
  const host = newHostOf(given);
  const choice = signingChoice(given);
  await checkRequestFile(given.text("csr"));
  const ca = await givenCa(given, choice);
  const dial = givenDial(given);
  const { completeJoin, joinDomain, openLocalHome } = await import("../../node/local.ts");
  if ((await openLocalHome(options.home)).joined !== null)
    throw new DomainError(
      "home-exists",
      `${options.home} is part of a domain already: choose another folder with --home, or remove this one first`,
    );
  const props = await readProps(propsPath(options.home));
  const server = givenServer(options, props);
  if (server === null)
    throw new DomainError(
      "usage",
      "--add needs a running Admin Node Manager: give --anm_host, or anm_host= in conf/managedomain.props",
    );
  const login = givenDatabaseLogin(given, wantsAdmin(given));
  const entityStore = await givenEntityStore(given, options.home);
  const token = await tokenFor(context, given, { host, props });
  terminal.out(`Joining ${options.home} to the domain of ${server.address}:${server.port}:`);
  terminal.out("  making the key pair, requesting its certificate, verifying the answer ...");
  const keyPassphrase = await givenPassphrase(given, "key_passphrase");
  const request = {
    anmHost: server.address,
    anmPort: server.port,
    token,
    admin: login,
    keyPassphrase,
    ...(choice.mode === null ? {} : { signing: choice.mode }),
    ...dial,
    ...host,
  };
  const answer = await joinDomain(options.home, request, entityStore.keys);
  await entityStore.save();
  const joined =
    "awaits" in answer && ca !== null
      ? await completeJoin(
          options.home,
          {
            certificates: [await ca.sign(answer.awaits.requestPem), ...ca.chain],
            keyPassphrase,
          },
          entityStore.keys,
        )
      : answer;
  if (!("awaits" in joined)) return reportJoined(context, joined);
  const { nodeManagerId, requestPem, submissions } = joined.awaits;
  reportSubmissions(terminal, submissions);
  terminal.out(await keepRequest(given.text("csr") ?? `${nodeManagerId}.csr`, requestPem));
}

/** Says who this host is in its domain, and tries what it will need. */
export async function reportJoined(
  context: Pick<CommandContext, "terminal" | "options">,
  { settings, serial, notAfterMs, isSignedHere, request: host }: JoinedHost,
): Promise<void> {
  const { terminal, options } = context;
  terminal.out(
    [
      `Host:         ${host.hostName} [${settings.hostId}]`,
      `Node Manager: ${settings.name} [${settings.nodeManagerId}] (https://${host.address}:${settings.port})`,
      `Certificate:  serial ${serial}, until ${timeText(notAfterMs)}${isSignedHere ? ", renewed by itself" : ""}`,
      "You may now start the Node Manager:",
      `  gatehouse node start --home ${options.home}`,
    ].join("\n"),
  );
  // It has joined, and would serve nobody: better said here than in the log of its first start.
  if (host.admin) await tryDatabaseLogin(context, host.admin);
}

/** Who opens the connections once the host has joined. */
function givenDial(given: Given): { readonly dial?: "nm" | "anm" } {
  const dial = given.text("dial");
  if (dial === undefined) return {};
  if (dial === "nm" || dial === "anm") return { dial };
  throw new DomainError("usage", `--dial is nm or anm, not ${dial}`);
}

/** The token that was given, or a new one for this host by the login that was. */
async function tokenFor(
  context: CommandContext,
  given: Given,
  { host, props }: { readonly host: NewHost; readonly props: Props },
): Promise<string> {
  const token = await givenToken(given);
  if (token === null) return newToken(context, host, wantsAdmin(given));
  await checkExplicitTrust(context, props, token);
  return token;
}

/** A token pins the domain by itself; what was given beside it has to be of the same one. */
async function checkExplicitTrust(
  { options, terminal }: CommandContext,
  props: Props,
  token: string,
): Promise<void> {
  if (options.fingerprint === undefined && options.truststoreFile === undefined) return;
  const { trust } = await findDomain(options, props, terminal);
  if (!token.endsWith(`.${trust.save().link.keyId}`))
    throw new DomainError(
      "fingerprint-mismatch",
      "the join token is of another domain than what was given to know it by: find out where the token comes from",
    );
}

async function givenToken(given: Given): Promise<string | null> {
  const file = given.text("token_file");
  const token = given.text("token");
  if (file !== undefined && token !== undefined)
    throw new DomainError("usage", "give --token or --token_file, not both");
  if (file !== undefined) return (await readTextFile(file, "the token file")).trim();
  return token?.trim() ?? null;
}

/** A token for this very host, made with the login that was given instead of one. */
function newToken(context: CommandContext, host: NewHost, isAdmin: boolean): Promise<string> {
  return asAdmin(context, async (admin) => {
    const body = { hostName: host.hostName, isAdmin, lifetimeSeconds: tokenSeconds };
    return (await admin.call("createJoinToken", { body })).token;
  });
}
