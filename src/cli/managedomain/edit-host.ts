import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, type AuthorityId, type CredentialId } from "../../kit/index.ts";
import type { RouteBody, TopologyView } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { findHost } from "../lookup.ts";
import { managementUrl } from "../render/topology-tree.ts";
import { domainSigning } from "../signing/choice.ts";
import type { ProvidedCa } from "../signing/provided-ca.ts";
import { protectPending } from "../signing/key-passphrase.ts";
import { reportSubmissions } from "../signing/refusal.ts";
import { checkRequestFile, keepRequest } from "../signing/request-file.ts";
import { awaitRequest, signWaiting } from "../signing/waiting.ts";
import { wantsAdmin, type Given } from "./command-line.ts";
import { givenDatabaseLogin } from "./database-login.ts";
import { changeOwnPassphrase, changesEntityStore } from "./entity-store.ts";
import { givenAlternativeNames } from "./new-host.ts";
import { givenPassphrase } from "./passphrase.ts";
import { givenCa, signingChoice } from "./signing.ts";

type HostView = ReturnType<typeof findHost>;

const changeMsMax = 60_000;
const pollMs = 250;
/** What stands for longer is no moment of the change. */
const problemMsMax = 3_000;

/**
 * `managedomain --edit_host`: admin capability, which the Node Manager of the host takes or gives up
 * while it runs. With nothing but `--host` it is the documented demotion. Throws `usage` where a
 * line says two things.
 */
export async function editHost(context: CommandContext, given: Given): Promise<void> {
  const choice = signingChoice(given);
  await checkRequestFile(given.text("csr"));
  const ca = await givenCa(given, choice);
  const isAdmin = wantsAdmin(given);
  if (isAdmin && given.has("demote"))
    throw new DomainError("usage", "give --is_admin or --demote: one of the two");
  const login = givenDatabaseLogin(given, isAdmin);
  const edit = givenEdit(given);
  const keyPassphrase = await givenPassphrase(given, "key_passphrase");
  if (changesEntityStore(given)) {
    if (isAdmin || given.has("demote") || edit !== null)
      throw new DomainError(
        "usage",
        "--edit_host changes the passphrase of the Node Manager's keys alone: give --old_passphrase and --new_passphrase, and the rest in another command",
      );
    return changePassphraseHere(context, given);
  }
  await asAdmin(context, async (admin) => {
    const topology = await admin.call("getTopology");
    const { host, isHere } = await chosenHost(context, topology, given.text("host"));
    const signing = (await domainSigning(admin, choice.mode, ca)).isElsewhere
      ? { ca, requestFile: given.text("csr") ?? `${host.nodeManager.id}.csr` }
      : null;
    if (signing !== null) await protectPending(admin, host.id, keyPassphrase);
    const changing = { context, admin, host, signing };
    if (edit !== null) {
      if (host.nodeManager.isAdmin && !isAdmin && !given.has("demote"))
        throw new DomainError(
          "usage",
          `host ${host.name} has an Admin Node Manager, and --edit_host without --is_admin means that it is to be a plain one: add --is_admin to keep it, or --demote`,
        );
      await changeHost(changing, edit);
    }
    if (isAdmin && (edit === null || !host.nodeManager.isAdmin))
      return promote(changing, { isHere, login });
    if (!host.nodeManager.isAdmin && (edit === null || given.has("demote")))
      throw new DomainError(
        "usage",
        `host ${host.name} has a plain Node Manager, and nothing is given that would change it: --is_admin makes it an Admin Node Manager`,
      );
    if (isAdmin || !host.nodeManager.isAdmin) return;
    await confirmDemotion(context, host, given.has("demote"));
    return demote(changing);
  });
}

/** Who names the host means this one: nobody else has its keys. */
async function changePassphraseHere(context: CommandContext, given: Given): Promise<void> {
  const name = given.text("host");
  if (name !== undefined)
    await asAdmin(context, async (admin) => {
      const { isHere } = await chosenHost(context, await admin.call("getTopology"), name);
      if (!isHere)
        throw new DomainError(
          "usage",
          `the passphrase of a Node Manager's keys is changed on its own host: run this on ${name}`,
        );
    });
  return changeOwnPassphrase(context, given);
}

type Edit = RouteBody<"editHost">;

/** What the options say of the host beside its admin capability; null: nothing. */
function givenEdit(given: Given): Edit | null {
  const [name, address, nodeManagerName, port, alternativeNames] = [
    given.text("new_name"),
    given.text("address"),
    given.text("nm_name"),
    given.port("port"),
    givenAlternativeNames(given),
  ];
  const edit: Edit = {
    ...(name === undefined ? {} : { name }),
    ...(address === undefined ? {} : { address }),
    ...(nodeManagerName === undefined ? {} : { nodeManagerName }),
    ...(port === undefined ? {} : { port }),
    ...(alternativeNames.length === 0 ? {} : { alternativeNames }),
  };
  return Object.keys(edit).length === 0 ? null : edit;
}

async function changeHost({ context, admin, host }: Changing, body: Edit): Promise<void> {
  const { terminal } = context;
  await admin.call("editHost", { params: { id: host.id }, body });
  const { nodeManager } = host;
  const { name = host.name, nodeManagerName = nodeManager.name, port = nodeManager.port } = body;
  const address = body.address ?? (host.address === host.name ? name : host.address);
  const isMoved = port !== nodeManager.port;
  if (isMoved && !nodeManager.isAdmin) await awaitRole(admin, host);
  terminal.out(`Host ${name} [${host.id}]: ${nodeManagerName} (${managementUrl(address, port)})`);
  if (isMoved && nodeManager.isAdmin)
    terminal.out("Its Admin Node Manager is being started anew there: it serves in a moment.");
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

/** Waits until the host is what it is to be. Throws `timeout`; `not-running` where something keeps it. */
async function awaitRole(admin: Admin, { id, name }: HostView): Promise<void> {
  const startedMs = performance.now();
  let wellMs = startedMs;
  for (;;) {
    const { isDone, isAdmin, isAdminNow, problem } = await admin.call("getHostRole", {
      params: { id },
    });
    if (isDone) return;
    const nowMs = performance.now();
    if (problem === null) wellMs = nowMs;
    else if (isAdminNow === isAdmin && nowMs - wellMs > problemMsMax)
      throw new DomainError(
        "not-running",
        isAdmin
          ? `host ${name} is an Admin Node Manager now, and does not serve: ${problem}; correct that there (conf/database.json in its home says how it logs in to the database), it is started again by itself`
          : `host ${name} is not yet what it is to be: ${problem}; correct that, it goes on by itself`,
      );
    if (nowMs - startedMs > changeMsMax)
      throw new DomainError(
        "timeout",
        `host ${name} has not changed within ${changeMsMax / 1000} s (${problem ?? "it has not said why"}): it goes on by itself, \`gatehouse findings\` says what is wrong`,
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
