import { DomainError, type HostId } from "../kit/index.ts";
import {
  checkAddress,
  checkName,
  checkPort,
  credentialId,
  wantNewer,
  type Host,
} from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { refuseOpenRollout } from "./host-role.ts";
import { listenersAt } from "./listeners.ts";
import type { StoreTransaction } from "./ports.ts";
import { publishTrust, requireHost } from "./publish-trust.ts";

export interface HostEdit {
  readonly id: HostId;
  /** What is not given stays as it is; an address that was the name follows it. */
  readonly name?: string;
  readonly address?: string;
  readonly nodeManagerName?: string;
  readonly port?: number;
  /** Further names in its certificate, as `DNS:name`, in place of those before. */
  readonly alternativeNames?: readonly string[];
  readonly actor: string;
}

/**
 * Changes what a host is called and where it is reached. Its Node Manager moves to another port by
 * itself; names that are in certificates are in new ones at once. Throws `not-found`,
 * `already-exists`, `invalid-name`; `not-supported` for the address or port of a host that is
 * dialled; `rollout-active` for names in certificates that a rollout may present again.
 */
export async function editHost(env: ControlEnvironment, edit: HostEdit): Promise<Host> {
  const { id, actor, alternativeNames, ...given } = edit;
  const names = alternativeNames === undefined ? {} : { names: alternativeNames.join(" ") };
  const entry = { actor, action: "host.edit", subject: id, detail: { ...given, ...names } };
  return env.store.write(entry, async (tx) => {
    const before = await requireHost(tx, id);
    const host = editedHost(before, edit);
    await checkEdit(tx, before, host);
    await tx.topology.putHost(host);
    if (namesOf(host) !== namesOf(before)) {
      await refuseOpenRollout(tx, host);
      await renewNames(tx, host, host.address !== before.address);
    }
    await tx.topology.raiseDocumentVersion(id);
    if (host.nodeManager.isAdmin) await publishTrust(tx, env, {});
    return host;
  });
}

function editedHost(before: Host, edit: HostEdit): Host {
  const name = edit.name ?? before.name;
  const address = edit.address ?? (before.address === before.name ? name : before.address);
  const { nodeManager } = before;
  return {
    ...before,
    name,
    address,
    ...(edit.alternativeNames === undefined ? {} : { alternativeNames: edit.alternativeNames }),
    nodeManager: {
      ...nodeManager,
      name: edit.nodeManagerName ?? nodeManager.name,
      port: edit.port ?? nodeManager.port,
    },
  };
}

async function checkEdit(tx: StoreTransaction, before: Host, host: Host): Promise<void> {
  const { name, address, nodeManager, dial } = host;
  checkName("host", name);
  checkName("Node Manager", nodeManager.name);
  checkAddress(address);
  checkPort(nodeManager.port);
  const hosts = (await tx.topology.hosts()).filter(({ id }) => id !== host.id);
  if (hosts.some((other) => other.name.toLowerCase() === name.toLowerCase()))
    throw new DomainError(
      "already-exists",
      `the domain already has a host named ${name}: choose another name`,
    );
  if (address === before.address && nodeManager.port === before.nodeManager.port) return;
  if (dial === "anm")
    throw new DomainError(
      "not-supported",
      `host ${before.name} is reached by Admin Node Managers at its address and port, and would be lost if the new ones were wrong: \`gatehouse host edit ${before.name} --dial nm\` first`,
    );
  const taken = await listenersAt(tx, address);
  const own = (await tx.topology.instances(host.id)).flatMap((instance) => [
    instance.managementPort,
    instance.servicesPort,
  ]);
  const ports = address === before.address ? [nodeManager.port] : [nodeManager.port, ...own];
  for (const port of ports) {
    const holder = taken.get(port);
    if (holder !== undefined && holder !== nodeManager.id)
      throw new DomainError(
        "already-exists",
        `port ${port} at ${address} is that of ${holder}: choose another port or address`,
      );
  }
}

/** The names that the certificates of a host have from it. */
function namesOf({ address, alternativeNames = [] }: Host): string {
  return [address, ...alternativeNames].join(" ");
}

async function renewNames(tx: StoreTransaction, host: Host, isAddress: boolean): Promise<void> {
  const instances = isAddress ? await tx.topology.instances(host.id) : [];
  for (const id of [
    credentialId(host.nodeManager.id, "management"),
    ...instances.map((instance) => credentialId(instance.id, "traffic")),
  ]) {
    const credential = await tx.credentials.get(id);
    if (credential !== undefined && credential.lastSequence > 0)
      await tx.credentials.put({ ...credential, desired: wantNewer(credential) });
  }
}
