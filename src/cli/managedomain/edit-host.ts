import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, type AuthorityId, type CredentialId } from "../../kit/index.ts";
import type { TopologyView } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { findHost } from "../lookup.ts";
import { managementUrl } from "../render/topology-tree.ts";
import { isSignedElsewhere } from "../signing/choice.ts";
import type { ProvidedCa } from "../signing/provided-ca.ts";
import { reportSubmissions } from "../signing/refusal.ts";
import { keepRequest } from "../signing/request-file.ts";
import { awaitRequest, signWaiting } from "../signing/waiting.ts";
import { wantsAdmin, type Given } from "./command-line.ts";
import { givenDatabaseLogin } from "./database-login.ts";
import { givenCa, signingChoice } from "./signing.ts";

type HostView = ReturnType<typeof findHost>;

const changeMsMax = 60_000;
const pollMs = 250;

/**
 * `managedomain --edit_host`: admin capability, which the Node Manager of the host takes or gives up
 * while it runs. With nothing but `--host` it is the documented demotion. Throws `usage` where a
 * line says two things.
 */
export async function editHost(context: CommandContext, given: Given): Promise<void> {
  const choice = signingChoice(given);
  const ca = await givenCa(given, choice);
  const isAdmin = wantsAdmin(given);
  if (isAdmin && given.has("demote"))
    throw new DomainError("usage", "give --is_admin or --demote: one of the two");
  const login = givenDatabaseLogin(given, isAdmin);
  await asAdmin(context, async (admin) => {
    const topology = await admin.call("getTopology");
    const { host, isHere } = await chosenHost(context, topology, given.text("host"));
    const signing = (await isSignedElsewhere(admin, choice.mode))
      ? { ca, requestFile: given.text("csr") ?? `${host.nodeManager.id}.csr` }
      : null;
    const changing = { context, admin, host, signing };
    if (isAdmin) return promote(changing, { isHere, login });
    if (!host.nodeManager.isAdmin)
      throw new DomainError(
        "usage",
        `host ${host.name} has a plain Node Manager, and nothing is given that would change it: --is_admin makes it an Admin Node Manager`,
      );
    await confirmDemotion(context, host, given.has("demote"));
    return demote(changing);
  });
}

/** The named host, or that of the home folder. */
async function chosenHost(
  { options }: CommandContext,
  topology: TopologyView,
  named: string | undefined,
): Promise<{ readonly host: HostView; readonly isHere: boolean }> {
  const { openLocalHome } = await import("../../node/local.ts");
  const { joined } = await openLocalHome(options.home);
  const own = joined?.settings.domain === topology.id ? joined.settings.hostId : undefined;
  const name = named ?? own;
  if (name === undefined) throw new DomainError("usage", "--edit_host needs --host");
  const host = findHost(topology, name);
  return { host, isHere: host.id === own };
}

interface Changing {
  readonly context: CommandContext;
  readonly admin: Admin;
  readonly host: HostView;
  /** Where certificates are signed elsewhere: by this CA, or by whoever gets the request in this file. */
  readonly signing: { readonly ca: ProvidedCa | null; readonly requestFile: string } | null;
}

async function promote(
  changing: Changing,
  of: { readonly isHere: boolean; readonly login: ReturnType<typeof givenDatabaseLogin> },
): Promise<void> {
  const { admin, host } = changing;
  const { terminal, options } = changing.context;
  const { isHere, login } = of;
  const who = `Host ${host.name} [${host.id}]`;
  const isGiven = login !== null && Object.keys(login).length > 0;
  if (!isHere && isGiven)
    throw new DomainError(
      "usage",
      `--db_password_file and --db_password_exec are of this host, and ${host.name} is another: run the command there, or write {"passwordFile": "FILE"} into conf/database.json of its home and leave them out`,
    );
  if (host.nodeManager.isAdmin) return terminal.out(`${who} is an Admin Node Manager already.`);
  const { saveDatabaseLogin } = await import("../../admin/offline.ts");
  const undo = isHere && login !== null ? await saveDatabaseLogin(options.home, login) : null;
  const body = { isAdmin: true, hasDatabaseLogin: isHere };
  try {
    await admin.call("setHostRole", { params: { id: host.id }, body });
  } catch (error) {
    await undo?.();
    throw error;
  }
  terminal.out(`${who} becomes an Admin Node Manager:`);
  terminal.out("  its Node Manager makes a key, and takes a new certificate ...");
  if (!(await awaitCertificate(changing))) return;
  await awaitRole(admin, host);
  const { address, nodeManager } = host;
  terminal.out(
    [
      `${who} is an Admin Node Manager (${managementUrl(address, nodeManager.port)}); nothing was restarted.`,
      `It has others sign: \`gatehouse authority share ${host.name}\` gives it the keys of the CAs too.`,
    ].join("\n"),
  );
}

async function demote(changing: Changing): Promise<void> {
  const { admin, host } = changing;
  const { terminal } = changing.context;
  const body = { isAdmin: false };
  const { authorities } = await admin.call("setHostRole", { params: { id: host.id }, body });
  const who = `Host ${host.name} [${host.id}]`;
  terminal.out(`${who} becomes a plain Node Manager:`);
  terminal.out("  its Node Manager makes a key, and takes a new certificate ...");
  if (!(await awaitCertificate(changing))) return;
  await awaitRole(admin, host);
  terminal.out(
    [
      `${who} has a plain Node Manager; its instances were not restarted.`,
      `Deleted there, as the audit log says: ${["the trust-signing key", ...authorities.map(keyOf)].join(", ")}.`,
      "It, or a backup of it, may still hold them: if it is suspect, replace the CAs with `gatehouse plan rotate-ca`.",
    ].join("\n"),
  );
}

function keyOf(id: AuthorityId): string {
  return `the key of ${id}`;
}

/**
 * Has the certificate signed where somebody elsewhere does that. False if it is to be brought later,
 * by `--submit_cert`, after which the host goes on by itself.
 */
async function awaitCertificate({ context, admin, host, signing }: Changing): Promise<boolean> {
  if (signing === null) return true;
  const { terminal } = context;
  const id = `${host.nodeManager.id}/management` as CredentialId;
  const { requestPem } = await awaitRequest(admin, id, host.name);
  const { ca, requestFile } = signing;
  if (ca === null) terminal.out(await keepRequest(requestFile, requestPem));
  else reportSubmissions(terminal, await signWaiting(admin, ca, (request) => request.id === id));
  return ca !== null;
}

/** Waits until the host is what it is to be. Throws `timeout`, `not-running`. */
async function awaitRole(admin: Admin, { id, name }: HostView): Promise<void> {
  const endMs = performance.now() + changeMsMax;
  for (;;) {
    const role = await admin.call("getHostRole", { params: { id } });
    if (role.isDone) return;
    if (role.isAdminNow === role.isAdmin && role.problem !== null)
      throw new DomainError(
        "not-running",
        `host ${name} is an Admin Node Manager now, and does not serve: ${role.problem}; correct that there (conf/database.json in its home says how it logs in to the database), it is started again by itself`,
      );
    if (performance.now() > endMs)
      throw new DomainError(
        "timeout",
        `host ${name} has not changed within ${changeMsMax / 1000} s (${role.problem ?? "it has not said why"}): it goes on by itself, \`gatehouse findings\` says what is wrong`,
      );
    await sleep(pollMs);
  }
}

/** A demotion that was not asked for by its name is asked about where somebody can be. */
async function confirmDemotion(
  { terminal }: CommandContext,
  { name }: HostView,
  isNamed: boolean,
): Promise<void> {
  const { prompts } = terminal;
  if (isNamed || prompts === null) return;
  const question = `Take the admin capability from ${name}? Its copies of the CA and trust-signing keys are deleted.`;
  if (!(await prompts.confirm(question)))
    throw new DomainError("usage", "nothing was changed: --is_admin keeps the admin capability");
}
