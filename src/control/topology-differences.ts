import type { TopologyView } from "../contract/index.ts";
import type { HostId } from "../kit/index.ts";
import type { HostObservation } from "../domain/index.ts";

/**
 * What is another in a second view of the topology, a line each, in the order of the names. What
 * changes by itself (states, connections) does not count.
 */
export function topologyDifferences(here: TopologyView, there: TopologyView): string[] {
  const [ours, theirs] = [partsOf(here), partsOf(there)];
  return [...new Set([...ours.keys(), ...theirs.keys()])].toSorted().flatMap((part) => {
    const [own, other] = [ours.get(part), theirs.get(part)];
    if (own === other) return [];
    if (other === undefined) return `${part} is missing`;
    if (own === undefined) return `${part} is there and nowhere else`;
    return `${part} is ${other}, and here ${own}`;
  });
}

function partsOf({ name, hosts, groups, relyingParties }: TopologyView): Map<string, string> {
  const parts: [string, unknown][] = [["domain", { name }]];
  for (const { id, connected: _connected, ...host } of hosts) parts.push([`host ${id}`, host]);
  for (const { id, instances, ...group } of groups) {
    parts.push([`group ${id}`, group]);
    for (const { id: instanceId, state: _state, ...instance } of instances)
      parts.push([`instance ${instanceId}`, { group: id, ...instance }]);
  }
  for (const party of relyingParties) parts.push([`relying party ${party.id}`, party.name]);
  return new Map(parts.map(([part, value]) => [part, JSON.stringify(value)]));
}

/** What a host reported last that the topology does not have, or has and the host does not know. */
export function hostDifferences(
  { hosts, groups }: TopologyView,
  hostId: HostId,
  last: Pick<HostObservation, "processes"> | undefined,
): string[] {
  if (last === undefined) return [];
  const own = hosts.find(({ id }) => id === hostId)?.nodeManager.id;
  const meant = groups.flatMap(({ instances }) =>
    instances.filter((instance) => instance.hostId === hostId).map(({ id }) => id),
  );
  const known = last.processes.map(({ id }) => id);
  return [
    ...meant.filter((id) => !known.includes(id)).map((id) => `instance ${id} is not known there`),
    ...known
      .filter((id) => !meant.includes(id) && own !== undefined && !id.startsWith(own))
      .map((id) => `${id} is there and not in the topology`),
  ];
}
