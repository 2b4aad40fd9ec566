import { DomainError, type GroupId, type HostId, type ProcessId } from "../kit/index.ts";
import {
  checkName,
  checkPort,
  credentialId,
  isDnsName,
  revokedRemedy,
  wantNewer,
  type Denial,
  type GatewayConfiguration,
  type Group,
  type Host,
  type Instance,
} from "../domain/index.ts";
import { isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { preparePassphrase, withPassphrase, type SealSecret } from "./group-passphrase.ts";
import { newCredential } from "./issue.ts";
import { listenersAt } from "./listeners.ts";
import { refuseLastAdmin } from "./last-admin.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { publishTrust, requireHost } from "./publish-trust.ts";
import { removeCredentials } from "./revoke.ts";
import { withdrawKeys } from "./share-keys.ts";

export interface CreateInstanceRequest {
  readonly name: string;
  /** Name of the group; it is made if the domain has none of that name. */
  readonly group: string;
  readonly hostId: HostId;
  /** Absent: the first free ones from 8085 and 8080 on. */
  readonly managementPort?: number;
  readonly servicesPort?: number;
  /** Only for a new group. */
  readonly configuration?: GatewayConfiguration;
  /** That of the group; a new one gets it. */
  readonly passphrase?: { readonly text: string; readonly seal: SealSecret };
  readonly actor: string;
}

/**
 * Creates an instance with its two credentials; its host's Node Manager makes keys and files when
 * it sees it. Throws `already-exists` for a taken name or port, `not-found` for an unknown host, and
 * as `preparePassphrase` and `withPassphrase`.
 */
export async function createInstance(
  env: ControlEnvironment,
  request: CreateInstanceRequest,
): Promise<{ instance: Instance; group: Group }> {
  checkName("instance", request.name);
  checkName("group", request.group);
  const entry = {
    actor: request.actor,
    action: "instance.create",
    subject: request.name,
    detail: { group: request.group, host: request.hostId },
  };
  const prepared = await preparePassphrase(env, request);
  return env.store.write(entry, async (tx) => {
    const host = await requireHost(tx, request.hostId);
    if (host.status === "revoked")
      throw new DomainError(
        "denied",
        `host ${host.name} was revoked: choose another host for the instance, or ${revokedRemedy(host)}`,
      );
    const found = await findOrMakeGroup(tx, request);
    const group = await withPassphrase(tx, found, host.id, prepared);
    const instances = await tx.topology.instances();
    if (instances.some((other) => other.groupId === group.id && other.name === request.name)) {
      throw new DomainError(
        "already-exists",
        `group ${group.name} already has an instance named ${request.name}: choose another name`,
      );
    }
    const taken = new Set((await listenersAt(tx, host.address)).keys());
    const managementPort = choosePort(request.managementPort, 8085, taken, host);
    const servicesPort = choosePort(
      request.servicesPort,
      8080,
      new Set([...taken, managementPort]),
      host,
    );
    const instance: Instance = {
      id: `instance-${await tx.topology.nextNumber("instance", 1)}` as ProcessId,
      name: request.name,
      groupId: group.id,
      hostId: host.id,
      managementPort,
      servicesPort,
      enabled: false,
      tags: {},
    };
    await tx.topology.putInstance(instance);
    for (const usage of ["management", "traffic"] as const) {
      await tx.credentials.put(
        await newCredential(tx, { process: instance.id, hostId: host.id, usage }),
      );
    }
    await tx.topology.raiseDocumentVersion(host.id);
    return { instance, group };
  });
}

async function findOrMakeGroup(
  tx: StoreTransaction,
  request: CreateInstanceRequest,
): Promise<Group> {
  const found = (await tx.topology.groups()).find((group) => group.name === request.group);
  if (found !== undefined) return found;
  const configuration = request.configuration ?? { routes: [], dnsNames: [] };
  checkConfiguration(configuration);
  const group: Group = {
    id: `group-${await tx.topology.nextNumber("group", 2)}` as GroupId,
    name: request.group,
    configuration,
  };
  await tx.topology.putGroup(group);
  return group;
}

function choosePort(
  wanted: number | undefined,
  first: number,
  taken: ReadonlySet<number>,
  host: Host,
): number {
  if (wanted === undefined) {
    let port = first;
    while (taken.has(port)) port += 1;
    return checkPort(port);
  }
  if (taken.has(checkPort(wanted)))
    throw new DomainError(
      "already-exists",
      `port ${wanted} is already taken at ${host.address}, the address of host ${host.name}: choose another`,
    );
  return wanted;
}

function checkConfiguration(configuration: GatewayConfiguration): void {
  for (const name of configuration.dnsNames) {
    if (!isDnsName(name))
      throw new DomainError(
        "invalid-name",
        `${JSON.stringify(name)} in dnsNames is not a DNS name`,
      );
  }
}

/** Starts or stops an instance: sets what is desired; its Node Manager makes it true. */
export async function setInstanceEnabled(
  env: ControlEnvironment,
  request: { readonly id: ProcessId; readonly enabled: boolean; readonly actor: string },
): Promise<void> {
  const entry = {
    actor: request.actor,
    action: request.enabled ? "instance.start" : "instance.stop",
    subject: request.id,
    detail: {},
  };
  await env.store.write(entry, async (tx) => {
    const instance = await requireInstance(tx, request.id);
    if (instance.enabled !== request.enabled)
      await tx.topology.putInstance({ ...instance, enabled: request.enabled });
  });
}

/** The instance with this id, or `not-found`. */
export async function requireInstance(view: StoreView, id: ProcessId): Promise<Instance> {
  const found = (await view.topology.instances()).find((instance) => instance.id === id);
  if (found !== undefined) return found;
  throw new DomainError(
    "not-found",
    `there is no instance ${id} in this domain: \`managedomain --print_topology\` lists them`,
  );
}

/** Removes a stopped instance and denies its keys. Throws `still-running`, `not-found`. */
export async function deleteInstance(
  env: ControlEnvironment,
  request: { readonly id: ProcessId; readonly actor: string },
): Promise<void> {
  await env.store.write(
    { actor: request.actor, action: "instance.delete", subject: request.id, detail: {} },
    async (tx) => {
      const denied = await removeInstance(tx, env, await requireInstance(tx, request.id));
      if (denied.length > 0) await publishTrust(tx, env, { deny: denied });
    },
  );
}

/** Removes a group with all its instances, none of which may run. */
export async function deleteGroup(
  env: ControlEnvironment,
  request: { readonly id: GroupId; readonly actor: string },
): Promise<void> {
  await env.store.write(
    { actor: request.actor, action: "group.delete", subject: request.id, detail: {} },
    async (tx) => {
      const groups = await tx.topology.groups();
      if (!groups.some((group) => group.id === request.id))
        throw new DomainError("not-found", `there is no group ${request.id} in this domain`);
      const denied: Denial[] = [];
      for (const instance of await tx.topology.instances()) {
        if (instance.groupId === request.id)
          denied.push(...(await removeInstance(tx, env, instance)));
      }
      await tx.topology.removeGroup(request.id);
      if (denied.length > 0) await publishTrust(tx, env, { deny: denied });
    },
  );
}

async function removeInstance(
  tx: StoreTransaction,
  env: Pick<ControlEnvironment, "clock" | "policy">,
  instance: Instance,
): Promise<Denial[]> {
  if (await isRunning(tx, env, instance)) {
    throw new DomainError(
      "still-running",
      `instance ${instance.name} (${instance.id}) is running: stop it first with \`gatehouse instance stop ${instance.id}\``,
    );
  }
  const denied = await removeCredentials(tx, instance.id, `${instance.id} was deleted`);
  await tx.topology.removeInstance(instance.id);
  await tx.topology.raiseDocumentVersion(instance.hostId);
  return denied;
}

/** As far as anybody can say; nobody listens to a revoked host, so nothing of it counts. */
export async function isRunning(
  view: StoreView,
  env: Pick<ControlEnvironment, "clock" | "policy">,
  instance: Instance,
): Promise<boolean> {
  const { status } = await requireHost(view, instance.hostId);
  if (status === "revoked") return false;
  const observation = await view.observations.host(instance.hostId);
  const silentMs = env.clock.nowMs() - (observation?.receivedAtMs ?? 0);
  // What a host said last is no news of one that is gone: else it could never be deleted.
  const isSilent = silentMs > env.policy.silentAfterSeconds * 1000;
  const state = isSilent
    ? undefined
    : observation?.processes.find((process) => process.id === instance.id)?.state;
  return instance.enabled || state === "running" || state === "starting";
}

/**
 * Removes a host that has no instances left and denies its keys. Throws `still-running`, `not-found`,
 * and `forbidden` for the only one that holds a key that may sign.
 */
export async function deleteHost(
  env: ControlEnvironment,
  request: { readonly id: HostId; readonly actor: string },
): Promise<void> {
  await env.store.write(
    { actor: request.actor, action: "host.delete", subject: request.id, detail: {} },
    async (tx) => {
      const host = await requireHost(tx, request.id);
      await refuseLastAdmin(tx, host, "make another host one first, or stop the domain");
      const { instances, members } = await tx.topology.whole();
      const there = [...instances, ...members].filter(({ hostId }) => hostId === host.id);
      if (there.length > 0) {
        throw new DomainError(
          "still-running",
          `host ${host.name} still has ${there.map(({ id }) => id).join(", ")}: delete that first`,
          { context: { instances: there.length } },
        );
      }
      await withdrawKeys(tx, host);
      const denied = await removeCredentials(tx, host.nodeManager.id, `${host.id} was deleted`);
      await tx.topology.removeHost(host.id);
      await tx.observations.removeHost(host.id);
      await publishTrust(tx, env, { deny: denied });
    },
  );
}

/**
 * Replaces what every instance of a group serves. If its DNS names change, so do the traffic
 * certificates of its instances, at once. Throws `not-found`, `invalid-name`; `conflict` for a
 * change of names while a rollout is open, which could not present what was before again.
 */
export async function configureGroup(
  env: ControlEnvironment,
  request: {
    readonly id: GroupId;
    readonly configuration: GatewayConfiguration;
    readonly actor: string;
  },
): Promise<void> {
  checkConfiguration(request.configuration);
  await env.store.write(
    { actor: request.actor, action: "group.configure", subject: request.id, detail: {} },
    async (tx) => {
      const group = (await tx.topology.groups()).find((candidate) => candidate.id === request.id);
      if (group === undefined)
        throw new DomainError("not-found", `there is no group ${request.id} in this domain`);
      const { configuration } = request;
      if (!areSame(group.configuration.dnsNames, configuration.dnsNames))
        await renameTraffic(tx, group);
      await tx.topology.putGroup({ ...group, configuration });
    },
  );
}

function areSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, i) => name === other[i]);
}

/** Wants a new traffic certificate for every instance of a group that has one. */
async function renameTraffic(tx: StoreTransaction, group: Group): Promise<void> {
  const open = (await tx.rollouts.open()).find(isOpen);
  if (open !== undefined)
    throw new DomainError(
      "conflict",
      `rollout ${open.id} (${open.title}) is under way and the DNS names of group ${group.name} are in certificates that it may present again: change them when it is over, or take it back first with \`gatehouse rollout rollback\``,
    );
  const members = (await tx.topology.instances()).filter(({ groupId }) => groupId === group.id);
  for (const { id } of members) {
    const credential = await tx.credentials.get(credentialId(id, "traffic"));
    if (credential !== undefined && credential.lastSequence > 0)
      await tx.credentials.put({ ...credential, desired: wantNewer(credential) });
  }
}

/** Removes a managed relying party; gates no longer count it, and its token opens nothing. */
export async function deleteRelyingParty(
  env: ControlEnvironment,
  request: { readonly id: string; readonly actor: string },
): Promise<void> {
  await env.store.write(
    { actor: request.actor, action: "relying-party.delete", subject: request.id, detail: {} },
    async (tx) => {
      const found = (await tx.topology.relyingParties()).find((party) => party.id === request.id);
      if (found === undefined)
        throw new DomainError(
          "not-found",
          `there is no relying party ${request.id} in this domain`,
        );
      await tx.topology.removeRelyingParty(found.id);
    },
  );
}
