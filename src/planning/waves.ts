import type { CredentialId, HostId, ProcessId } from "../kit/index.ts";
import type { Credential, Topology } from "../domain/index.ts";

/** The share of a group, or of the Node Managers, that one wave may touch. */
const waveShare = 0.1;

/**
 * Orders credentials into waves: first one canary member, then at most a tenth of each group and
 * of the Node Managers at a time (at least one of each), Admin Node Managers last and one by one.
 * All chosen credentials of one process are in the same wave.
 */
export function wavesOf(topology: Topology, credentials: readonly Credential[]): CredentialId[][] {
  const chosen = Map.groupBy(credentials, (credential) => credential.process);
  const admins = topology.hosts
    .filter((host) => host.nodeManager.isAdmin)
    .map((host) => host.nodeManager.id);
  const nodeManagers = topology.hosts
    .map((host) => host.nodeManager.id)
    .filter((id) => !admins.includes(id));
  const groups = topology.groups.map((group) =>
    spreadOverHosts(topology.instances.filter((instance) => instance.groupId === group.id)),
  );
  const ranks = [...groups, nodeManagers]
    .map((members) => members.filter((id) => chosen.has(id)))
    .filter((members) => members.length > 0);
  const waves: ProcessId[][] = [];
  const [canaryRank, ...otherRanks] = ranks;
  const [canary, ...restOfFirst] = canaryRank ?? [];
  if (canary !== undefined) waves.push([canary]);
  const slices = [restOfFirst, ...otherRanks].map((members) =>
    slicesOf(members, Math.max(1, Math.floor(members.length * waveShare))),
  );
  const waveCount = Math.max(0, ...slices.map((slice) => slice.length));
  for (let i = 0; i < waveCount; i++) waves.push(slices.flatMap((slice) => slice[i] ?? []));
  for (const admin of admins) if (chosen.has(admin)) waves.push([admin]);
  return waves.map((wave) =>
    wave.flatMap((process) => (chosen.get(process) ?? []).map((credential) => credential.id)),
  );
}

/** Members in an order in which neighbours are on different hosts as long as that is possible. */
function spreadOverHosts(
  instances: readonly { readonly id: ProcessId; readonly hostId: HostId }[],
): ProcessId[] {
  const byHost = [...Map.groupBy(instances, (instance) => instance.hostId).values()];
  const depth = Math.max(0, ...byHost.map((members) => members.length));
  return Array.from({ length: depth }, (_, i) =>
    byHost.flatMap((members) => members[i]?.id ?? []),
  ).flat();
}

function slicesOf<T>(items: readonly T[], size: number): T[][] {
  const slices: T[][] = [];
  for (let at = 0; at < items.length; at += size) slices.push(items.slice(at, at + size));
  return slices;
}
