import type { HostId } from "../../src/kit/index.ts";
import { fits, type Credential } from "../../src/domain/index.ts";
import { currentOf, type Generation } from "./leaf.ts";
import type { NodeManager } from "./node-manager.ts";
import type { Truth, World } from "./world.ts";
import { ownUsage } from "./own-usage.ts";

/** Has every process of a host loaded the newest trust, and does it present what is desired? */
export function hasCaughtUp(world: World, hostId: HostId, truth: Truth): boolean {
  return lagOf(world, hostId, truth).length === 0;
}

/** What a host still lacks: one line each. */
export function lagOf(world: World, hostId: HostId, truth: Truth): string[] {
  const node = world.nodes.get(hostId);
  if (node === undefined || !node.isConnected) return [`${hostId} is not connected`];
  const lag: string[] = [];
  if (node.trust.epoch !== truth.epoch)
    lag.push(`${node.id} has epoch ${node.trust.epoch} of ${truth.epoch}`);
  for (const { id, enabled } of truth.topology.instances.filter((i) => i.hostId === hostId)) {
    const gateway = world.gateways.get(id);
    if (enabled && gateway === undefined) lag.push(`${id} does not run`);
    if (gateway === undefined) continue;
    if (gateway.inForce.epoch !== truth.epoch)
      lag.push(`${id} has epoch ${gateway.inForce.epoch} of ${truth.epoch}`);
    if (gateway.inForce.documents.host?.version !== node.trust.documents().host?.version)
      lag.push(`${id} has an older host document`);
  }
  const credentials = truth.credentials.filter((credential) => credential.hostId === hostId);
  return [
    ...lag,
    ...credentials.flatMap((credential) => lagOfCredential(world, node, truth, credential)),
  ];
}

function lagOfCredential(
  world: World,
  node: NodeManager,
  truth: Truth,
  credential: Credential,
): string[] {
  const { id, process, usage, desired, recorded } = credential;
  const isOwn = process === node.id;
  const folder = isOwn ? node.disk.folder : node.disk.instances.get(process)?.[ownUsage(usage)];
  const current = folder === undefined ? null : currentOf(folder);
  if (current === null || !fits(current, desired)) return [`${id} is not what is desired`];
  const lag: string[] = [];
  if (!recorded.some((key) => key.serial === current.leaf.serial))
    lag.push(`${id} has a key that is not recorded`);
  if (truth.deniedKeys.has(current.leaf.keyFingerprint)) lag.push(`${id} has a key that is denied`);
  if (presentedFor(world, node, credential).some((generation) => generation !== current))
    lag.push(`${id} is not presented`);
  return lag;
}

/** What every running process that presents a credential presents now. */
function presentedFor(world: World, node: NodeManager, credential: Credential): Generation[] {
  const gateway = world.gateways.get(credential.process);
  if (gateway !== undefined) return [gateway.inForce[ownUsage(credential.usage)]];
  if (credential.process !== node.id) return [];
  const { identity } = world.admin;
  return node.disk.isAdmin && identity !== null ? [node.identity, identity] : [node.identity];
}
