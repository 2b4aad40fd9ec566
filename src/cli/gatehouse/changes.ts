import { DomainError, type AuthorityId, type ProcessId } from "../../kit/index.ts";
import { checkValue, routes, type RouteBody } from "../../contract/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { parseDuration } from "../duration.ts";
import { findGroup, findHost } from "../lookup.ts";
import { count, timeText } from "../render/table.ts";
import { readTextFile } from "../text-file.ts";

/** `gatehouse login`: keeps a session for the next commands. */
export function logIn(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { username, expiresAtMs } = await admin.keepSession();
    context.terminal.out(`Logged in as ${username} until ${timeText(expiresAtMs)}.`);
  });
}

/** `gatehouse logout`. */
export function logOut(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    await admin.endSession();
    context.terminal.out("Logged out.");
  });
}

/** `gatehouse token create`: the token alone on stdout. */
export function createToken(
  context: CommandContext,
  wish: { host: string | undefined; isAdmin: boolean; lifetime: string },
): Promise<void> {
  const lifetimeSeconds = parseDuration(wish.lifetime);
  return asAdmin(context, async (admin) => {
    const made = await admin.call("createJoinToken", {
      body: { hostName: wish.host ?? null, isAdmin: wish.isAdmin, lifetimeSeconds },
    });
    printResult(context, made, ({ token }) => token);
    context.terminal.err(
      `It admits ${wish.host ?? "one host"} once, until ${timeText(made.expiresAtMs)}: managedomain --add --anm_host HOST --token_file FILE`,
    );
  });
}

/** `gatehouse revoke`. */
export function revoke(
  context: CommandContext,
  wish: { process: string | undefined; serial: string | undefined; reason: string },
): Promise<void> {
  const { process: id, serial, reason } = wish;
  if ((id === undefined) === (serial === undefined))
    throw new DomainError(
      "usage",
      "give the process whose keys are denied, or --serial of one certificate: one of the two",
    );
  const body: RouteBody<"revoke"> =
    id === undefined
      ? { serial: normalSerial(serial ?? ""), reason }
      : { process: id as ProcessId, reason };
  return asAdmin(context, async (admin) => {
    const done = await admin.call("revoke", { body });
    printResult(
      context,
      done,
      ({ denied, processes, epoch, acknowledged }) =>
        `${count(denied, "entry").replace("entrys", "entries")}${processes.length === 0 ? "" : ` of ${processes.join(", ")}`} denied from trust epoch ${epoch} on; ${acknowledged ? "another host has loaded it" : "no other host has confirmed it yet"}.`,
    );
  });
}

/** Serials as openssl prints them: with colons, in upper case, with leading zeros. */
function normalSerial(text: string): string {
  return text
    .replaceAll(":", "")
    .toLowerCase()
    .replace(/^0+(?=.)/, "");
}

/** `gatehouse host approve`. */
export function approveHost(context: CommandContext, name: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { id } = findHost(await admin.call("getTopology"), name);
    await admin.call("approveHost", { params: { id } });
    context.terminal.out(`Host ${name} [${id}] may take part again.`);
  });
}

/** `gatehouse host edit`. */
export function editHost(
  context: CommandContext,
  name: string,
  dial: RouteBody<"setHostDial">["dial"],
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { id } = findHost(await admin.call("getTopology"), name);
    await admin.call("setHostDial", { params: { id }, body: { dial } });
    context.terminal.out(
      dial === "anm"
        ? `Host ${name} [${id}] goes on over connections that Admin Node Managers open, as soon as one has reached its port.`
        : `Host ${name} [${id}] opens its connections itself, as soon as it reaches an Admin Node Manager.`,
    );
  });
}

/** `gatehouse authority restore` and `gatehouse authority retire`. */
export function changeAuthority(
  context: CommandContext,
  verb: "restore" | "retire",
  id: AuthorityId,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const params = { id };
    if (verb === "restore") await admin.call("restoreAuthority", { params });
    else await admin.call("retireAuthority", { params });
    context.terminal.out(
      verb === "restore"
        ? `${id} is trusted again, and signs nothing: \`gatehouse authority retire ${id}\` ends that.`
        : `${id} is not trusted any more.`,
    );
  });
}

/** `gatehouse authority share` and `gatehouse authority unshare`. */
export function shareKeys(
  context: CommandContext,
  verb: "share" | "unshare",
  name: string,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { id } = findHost(await admin.call("getTopology"), name);
    const params = { id };
    const done =
      verb === "share"
        ? await admin.call("shareKeys", { params })
        : await admin.call("unshareKeys", { params });
    printResult(context, done, ({ authorities }) =>
      verb === "share"
        ? `Host ${name} [${id}] gets the keys of ${authorities.join(", ")}, sealed for its Admin Node Manager alone.`
        : `Host ${name} [${id}] is to delete the keys of ${authorities.join(", ")}. It, or a backup of it, may still hold them: if it is suspect, replace the CAs with \`gatehouse plan rotate-ca\`.`,
    );
  });
}

/** `gatehouse authority move`: done when the new holder has signed, and the one before may not any more. */
export function moveKeys(
  context: CommandContext,
  name: string,
  fromName: string | undefined,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const topology = await admin.call("getTopology");
    const { id, name: to } = findHost(topology, name);
    const from = fromName === undefined ? undefined : findHost(topology, fromName).id;
    if (from === id)
      throw new DomainError("invalid-input", `the keys cannot be moved from ${to} to itself`);
    const body = from === undefined ? {} : { from };
    const input = { params: { id }, body, timeoutMs: moveMsMax };
    printResult(context, await admin.call("moveKeys", input), (moved) =>
      moved.from === null
        ? `Host ${to} [${id}] is the only one that holds the keys of CAs: there is nothing to move.`
        : [
            `Host ${to} [${id}] has signed with the keys of ${moved.authorities.join(", ")} and holds them now.`,
            `Host ${moved.from} deletes its copies; the audit log says when (authority.copy-deleted). It, or a backup of it, may still hold them: if it is suspect, replace the CAs with \`gatehouse plan rotate-ca\`.`,
          ].join("\n"),
    );
  });
}

/** The new holder has 15 s for each key. */
const moveMsMax = 90_000;

/** `gatehouse relying-party create`: its token alone on stdout. */
export function createRelyingParty(context: CommandContext, name: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const made = await admin.call("createRelyingParty", { body: { name } });
    printResult(context, made, ({ token }) => token);
    context.terminal.err(`${name} is ${made.id}; the token is shown this once.`);
  });
}

/** `gatehouse relying-party delete`, by name or id. */
export function deleteRelyingParty(context: CommandContext, nameOrId: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { relyingParties } = await admin.call("getTopology");
    const found = relyingParties.find(({ id, name }) => id === nameOrId || name === nameOrId);
    if (found === undefined)
      throw new DomainError(
        "not-found",
        `there is no relying party ${nameOrId} in this domain: \`gatehouse relying-party list\` shows them`,
      );
    await admin.call("deleteRelyingParty", { params: { id: found.id } });
    context.terminal.out(`Relying party ${found.name} [${found.id}] is removed.`);
  });
}

/** `gatehouse group configure`: replaces what every instance of a group serves by a JSON file. */
export function configureGroup(context: CommandContext, name: string, file: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const body = await readConfiguration(file);
    const { id } = findGroup(await admin.call("getTopology"), name);
    await admin.call("configureGroup", { params: { id }, body });
    context.terminal.out(`Group ${name} [${id}] serves what ${file} says.`);
  });
}

async function readConfiguration(file: string): Promise<RouteBody<"configureGroup">> {
  const text = await readTextFile(file, "the configuration file");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DomainError("invalid-input", `${file} is not JSON: correct it`, { cause });
  }
  return checkValue(routes.configureGroup.body, value, file);
}
