import { DomainError, type GroupId, type ProcessId } from "../kit/index.ts";
import { checkName, checkPort, type Instance } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { isRunning, requireInstance } from "./instances.ts";
import { listenersAt } from "./listeners.ts";
import type { StoreTransaction } from "./ports.ts";
import { requireHost } from "./publish-trust.ts";

export interface InstanceEdit {
  readonly id: ProcessId;
  /** What is not given stays as it is. */
  readonly name?: string;
  readonly managementPort?: number;
  readonly servicesPort?: number;
  readonly actor: string;
}

/**
 * Renames an instance, which it notices while it runs, or gives it other ports, for which it has to be
 * stopped. Throws `not-found`, `already-exists` for a taken name or port, `still-running`.
 */
export async function editInstance(env: ControlEnvironment, edit: InstanceEdit): Promise<Instance> {
  const { id, actor, ...wanted } = edit;
  const entry = { actor, action: "instance.edit", subject: id, detail: { ...wanted } };
  return env.store.write(entry, async (tx) => {
    const before = await requireInstance(tx, id);
    const instance = { ...before, ...wanted };
    if (instance.name !== before.name) await refuseTakenName(tx, instance);
    const ports = [instance.managementPort, instance.servicesPort];
    if (ports[0] !== before.managementPort || ports[1] !== before.servicesPort) {
      if (await isRunning(tx, env, before))
        throw new DomainError(
          "still-running",
          `instance ${before.name} (${id}) is running, and its ports change only while it is stopped: stop it first with \`gatehouse instance stop ${id}\``,
        );
      await refuseTakenPorts(tx, instance);
    }
    await tx.topology.putInstance(instance);
    await tx.topology.raiseDocumentVersion(instance.hostId);
    return instance;
  });
}

async function refuseTakenName(tx: StoreTransaction, instance: Instance): Promise<void> {
  checkName("instance", instance.name);
  const same = (await tx.topology.instances()).find(
    ({ id, groupId, name }) =>
      id !== instance.id && groupId === instance.groupId && name === instance.name,
  );
  if (same !== undefined)
    throw new DomainError(
      "already-exists",
      `its group already has an instance named ${same.name} (${same.id}): choose another name`,
    );
}

async function refuseTakenPorts(tx: StoreTransaction, instance: Instance): Promise<void> {
  const { managementPort, servicesPort } = instance;
  if (managementPort === servicesPort)
    throw new DomainError(
      "invalid-input",
      `port ${servicesPort} is wanted for both: an instance needs two different ports`,
    );
  const { address } = await requireHost(tx, instance.hostId);
  const taken = await listenersAt(tx, address);
  for (const port of [managementPort, servicesPort]) {
    const holder = taken.get(checkPort(port));
    if (holder !== undefined && holder !== instance.id)
      throw new DomainError(
        "already-exists",
        `port ${port} at ${address} is that of ${holder}: choose another`,
      );
  }
}

/** Renames a group. Throws `not-found`, `already-exists`, `invalid-name`. */
export async function renameGroup(
  env: ControlEnvironment,
  { id, name, actor }: { readonly id: GroupId; readonly name: string; readonly actor: string },
): Promise<void> {
  checkName("group", name);
  const entry = { actor, action: "group.edit", subject: id, detail: { name } };
  await env.store.write(entry, async (tx) => {
    const groups = await tx.topology.groups();
    const group = groups.find((candidate) => candidate.id === id);
    if (group === undefined)
      throw new DomainError("not-found", `there is no group ${id} in this domain`);
    if (groups.some((other) => other.id !== id && other.name === name))
      throw new DomainError(
        "already-exists",
        `the domain already has a group named ${name}: choose another name`,
      );
    await tx.topology.putGroup({ ...group, name });
  });
}

/**
 * Gives a tag of an instance a value, or takes it away (null). Throws `not-found`, also for a tag that is
 * to go and is not there, and `invalid-name`.
 */
export async function setTag(
  env: ControlEnvironment,
  of: {
    readonly id: ProcessId;
    readonly tag: string;
    readonly value: string | null;
    readonly actor: string;
  },
): Promise<void> {
  const { id, tag, value, actor } = of;
  checkName("tag", tag);
  const entry = { actor, action: "instance.tag", subject: id, detail: { tag, value } };
  await env.store.write(entry, async (tx) => {
    const instance = await requireInstance(tx, id);
    const { [tag]: before, ...rest } = instance.tags;
    if (value === null && before === undefined)
      throw new DomainError(
        "not-found",
        `instance ${instance.name} (${id}) has no tag ${tag}: \`managedomain --print_topology\` shows its tags`,
      );
    const tags = value === null ? rest : { ...rest, [tag]: value };
    await tx.topology.putInstance({ ...instance, tags });
  });
}
