import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, type CredentialId, type HostId, type ProcessId } from "../../kit/index.ts";
import type { TopologyView } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { findGroup, findHost, findInstance } from "../lookup.ts";
import { timeText } from "../render/table.ts";
import { topologyTree } from "../render/topology-tree.ts";
import type { Given } from "./command-line.ts";
import { givenPassphrase } from "./passphrase.ts";
import { domainSigning } from "../signing/choice.ts";
import { protectPending } from "../signing/key-passphrase.ts";
import { reportSubmissions } from "../signing/refusal.ts";
import { checkRequestFile, keepRequest } from "../signing/request-file.ts";
import { awaitRequest, signWaiting } from "../signing/waiting.ts";
import { givenCa, signingChoice } from "./signing.ts";

const credentialsMsMax = 30_000;
const pollMs = 250;

/** `managedomain --print_topology`. */
export function printTopology(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) =>
    printResult(context, await admin.call("getTopology"), topologyTree),
  );
}

/** `managedomain --create_instance`: creates it, and waits until its host has keys and certificates for it. */
export async function createInstance(context: CommandContext, given: Given): Promise<void> {
  const choice = signingChoice(given);
  await checkRequestFile(given.text("csr"));
  const ca = await givenCa(given, choice);
  const name = given.required("name", "create_instance");
  const group = given.required("group", "create_instance");
  const ports = {
    managementPort: given.port("instance_management_port"),
    servicesPort: given.port("instance_services_port"),
  };
  if (ports.managementPort !== undefined && ports.managementPort === ports.servicesPort)
    throw new DomainError(
      "invalid-input",
      `-m and -s are both ${ports.servicesPort}: an instance needs two different ports`,
    );
  const keyPassphrase = await givenPassphrase(given, "key_passphrase");
  // An empty one, as documented, is none.
  const passphrase = (await givenPassphrase(given, "passphrase")) || undefined;
  return asAdmin(context, async (admin) => {
    const { isElsewhere } = await domainSigning(admin, choice.mode, ca);
    const topology = await admin.call("getTopology");
    const host = await chooseHost(context, topology, given.text("host"));
    const { terminal } = context;
    if (isElsewhere) await protectPending(admin, host.id, keyPassphrase);
    const body = { name, group, hostId: host.id, ...definedOf({ ...ports, passphrase }) };
    const instance = await admin.call("createInstance", { body });
    terminal.out(
      `Instance:   ${instance.name} [${instance.id}] in group ${instance.groupName} [${instance.groupId}]`,
    );
    terminal.out(`Host:       ${host.name} [${host.id}]`);
    terminal.out(`Management: https://${host.address}:${instance.managementPort}`);
    terminal.out(`Services:   https://${host.address}:${instance.servicesPort}`);
    if (isElsewhere) {
      const id = `${instance.id}/management` as CredentialId;
      const { requestPem } = await awaitRequest(admin, id, host.name);
      if (ca === null)
        return terminal.out(
          await keepRequest(given.text("csr") ?? `${instance.id}.csr`, requestPem),
        );
      reportSubmissions(terminal, await signWaiting(admin, ca, (request) => request.id === id));
    }
    await reportCertificates(context, admin, instance.id, host);
    terminal.out(`Start it: gatehouse instance start ${instance.id}`);
  });
}

function definedOf<T extends Record<string, unknown>>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as never;
}

/** The named host; else this one, if it is in the domain; else the only one. */
async function chooseHost(
  context: CommandContext,
  topology: TopologyView,
  named: string | undefined,
): Promise<TopologyView["hosts"][number]> {
  if (named !== undefined) return findHost(topology, named);
  const { openLocalHome } = await import("../../node/local.ts");
  const { joined } = await openLocalHome(context.options.home);
  const own = topology.hosts.find(
    (host) => host.id === joined?.settings.hostId && topology.id === joined.settings.domain,
  );
  const [only, second] = topology.hosts;
  const chosen = own ?? (second === undefined ? only : undefined);
  if (chosen !== undefined) return chosen;
  throw new DomainError(
    "usage",
    `--create_instance needs --host here: one of ${topology.hosts.map((host) => host.name).join(", ")}`,
  );
}

async function reportCertificates(
  { terminal }: CommandContext,
  admin: Admin,
  id: ProcessId,
  host: { name: string; connected: boolean },
): Promise<void> {
  if (!host.connected)
    return terminal.err(`host ${host.name} is not connected: it makes the keys when it comes back`);
  const endMs = performance.now() + credentialsMsMax;
  for (;;) {
    const { credentials } = await admin.call("listCredentials");
    const own = credentials.filter((credential) => credential.process === id);
    if (own.every((credential) => credential.installedSerial !== null)) {
      for (const { usage, installedSerial, authorityId, notAfterMs } of own)
        terminal.out(
          `Certificate for ${usage}: serial ${installedSerial ?? ""} from ${authorityId}, until ${timeText(notAfterMs)}`,
        );
      return;
    }
    if (performance.now() > endMs)
      return terminal.err(
        `host ${host.name} has not made the keys yet: \`gatehouse credentials\` shows when it has`,
      );
    await sleep(pollMs);
  }
}

/** `managedomain --delete_instance`. */
export function deleteInstance(context: CommandContext, given: Given): Promise<void> {
  const name = given.required("name", "delete_instance");
  return asAdmin(context, async (admin) => {
    const { id, group } = findInstance(await admin.call("getTopology"), name, given.text("group"));
    await admin.call("deleteInstance", { params: { id } });
    context.terminal.out(
      `Instance ${name} [${id}] of group ${group.name} is deleted, and its keys are denied.`,
    );
  });
}

/** `managedomain --delete_group`. */
export function deleteGroup(context: CommandContext, given: Given): Promise<void> {
  const name = given.required("group", "delete_group");
  return asAdmin(context, async (admin) => {
    const { id, instances } = findGroup(await admin.call("getTopology"), name);
    await admin.call("deleteGroup", { params: { id } });
    context.terminal.out(
      `Group ${name} [${id}] is deleted with its instances (${instances.length}).`,
    );
  });
}

/** `managedomain --delete_host` and `gatehouse host delete`. */
export function deleteHost(context: CommandContext, name: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    const id: HostId = findHost(await admin.call("getTopology"), name).id;
    await admin.call("deleteHost", { params: { id } });
    context.terminal.out(`Host ${name} [${id}] is deleted, and its keys are denied.`);
  });
}
