import type { ProcessId, RelyingPartyId } from "../kit/index.ts";
import type { ProcessUsage } from "./authority.ts";
import { adminProcessOf, type Topology } from "./topology.ts";

/** Who verifies: a process of the domain, or a managed relying party outside it. */
export type VerifierId = ProcessId | RelyingPartyId;

/** `verifier` must trust the chain that `presenter` shows it. Mutual TLS is two edges. */
export interface Edge {
  readonly verifier: VerifierId;
  readonly presenter: ProcessId;
  readonly usage: ProcessUsage;
}

/**
 * Every edge of the domain as its topology is now: Node Managers with Admin Node Managers, Node
 * Managers with the instances of their host, managed relying parties with every traffic listener.
 */
export function edgesOf(topology: Topology): Edge[] {
  const hosts = topology.hosts.filter((host) => host.status === "active");
  const admins = hosts
    .filter((host) => host.nodeManager.isAdmin)
    .map((host) => adminProcessOf(host.nodeManager.id));
  const edges: Edge[] = [];
  const mutual = (a: ProcessId, b: ProcessId): void => {
    edges.push(
      { verifier: a, presenter: b, usage: "management" },
      { verifier: b, presenter: a, usage: "management" },
    );
  };
  const nodeManagerOf = new Map(hosts.map((host) => [host.id, host.nodeManager.id]));
  for (const host of hosts) for (const admin of admins) mutual(host.nodeManager.id, admin);
  for (const instance of topology.instances) {
    const nodeManager = nodeManagerOf.get(instance.hostId);
    if (nodeManager === undefined) continue;
    mutual(nodeManager, instance.id);
    for (const { id } of topology.relyingParties) {
      edges.push({ verifier: id, presenter: instance.id, usage: "traffic" });
    }
  }
  return edges;
}

/** Stable text for an edge and the authority whose chain was shown; the key of its proof. */
export function edgeKey(edge: Edge, authorityId: string): string {
  return `${edge.verifier}<-${edge.presenter}:${edge.usage}:${authorityId}`;
}
