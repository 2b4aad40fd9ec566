import { DomainError, type GroupId, type HostId, type ProcessId } from "../kit/index.ts";
import type { TopologyView } from "../contract/index.ts";

type HostView = TopologyView["hosts"][number];
type GroupView = TopologyView["groups"][number];
type InstanceInGroup = GroupView["instances"][number] & { readonly group: GroupView };

const lists = "`managedomain --print_topology` lists them";

/** The host with this name or id. Throws `not-found`. */
export function findHost(topology: TopologyView, nameOrId: string): HostView & { id: HostId } {
  const found = topology.hosts.find((host) => host.id === nameOrId || host.name === nameOrId);
  if (found !== undefined) return found;
  throw new DomainError("not-found", `there is no host ${nameOrId} in this domain: ${lists}`);
}

/** The group with this name or id. Throws `not-found`. */
export function findGroup(topology: TopologyView, nameOrId: string): GroupView & { id: GroupId } {
  const found = topology.groups.find((group) => group.id === nameOrId || group.name === nameOrId);
  if (found !== undefined) return found;
  throw new DomainError("not-found", `there is no group ${nameOrId} in this domain: ${lists}`);
}

/**
 * The instance with this name or id, within a group where one is named. Throws `not-found`, and
 * `invalid-input` where groups have instances of the same name.
 */
export function findInstance(
  topology: TopologyView,
  nameOrId: string,
  group: string | undefined,
): InstanceInGroup & { id: ProcessId } {
  const groups = group === undefined ? topology.groups : [findGroup(topology, group)];
  const all = groups.flatMap((each) =>
    each.instances.map((instance) => ({ ...instance, group: each })),
  );
  const found = all.filter(({ id, name }) => id === nameOrId || name === nameOrId);
  const [first, second] = found;
  const where = group === undefined ? "this domain" : `group ${group}`;
  if (first === undefined)
    throw new DomainError("not-found", `there is no instance ${nameOrId} in ${where}: ${lists}`);
  if (second === undefined) return first;
  const ids = found.map(({ id, group: { name } }) => `${id} in group ${name}`).join(", ");
  throw new DomainError(
    "invalid-input",
    `several instances are named ${nameOrId} (${ids}): name the group, or use the id`,
  );
}
