import type { HostId, ProcessId } from "../../src/kit/index.ts";
import { edgesOf, type Edge, type KnownProcess } from "../../src/domain/index.ts";
import { isOpen } from "../../src/planning/index.ts";
import { judge, shownBy, type Question, type Verifier } from "./handshake.ts";
import { hasCaughtUp } from "./lag.ts";
import type { Presented } from "./leaf.ts";
import type { NodeManager } from "./node-manager.ts";
import type { Documents } from "./trust-state.ts";
import type { Truth, World } from "./world.ts";

/** After this the design lets an Admin Node Manager show a new key to hosts that were not heard of. */
const connectedWithinMs = 15_000;

/** What a process puts on the wire: a certificate, and the chain that its own trust names for it. */
interface Presentation {
  readonly presented: Presented;
  readonly documents: Documents;
}

/**
 * The safety rule: for every pair of running processes that must talk, the
 * chain that each presents is trusted by the other, and its key is one that the other knows as
 * recorded. Looked at after every single step of a run.
 */
export class Safety {
  readonly #world: World;
  /** How many waivers of a host are over and done with, since it has caught up. */
  readonly #settledWaivers = new Map<HostId, number>();
  /** Hosts that were not heard of for long: they may lack an Admin Node Manager's newest key. */
  readonly #silent = new Set<HostId>();
  #edges: { truth: Truth["topology"]; edges: readonly Edge[] } | null = null;
  /** What each edge was last judged by: the same things need no second look. */
  readonly #judged = new Map<string, readonly unknown[]>();

  constructor(world: World) {
    this.#world = world;
  }

  /** What breaks the rule now, one line each. */
  violations(): string[] {
    const { truth } = this.#world;
    if (truth === null) return [];
    const absence = this.#noteAbsence(truth);
    if (this.#edges?.truth !== truth.topology)
      this.#edges = { truth: truth.topology, edges: edgesOf(truth.topology) };
    return [
      ...this.#edges.edges.flatMap((edge) => this.#violation(edge, truth, absence) ?? []),
      ...this.#staleConnections(truth),
    ];
  }

  /** Which hosts are silent or excused: somebody waived them, and they have not caught up since. */
  #noteAbsence(truth: Truth): string {
    const world = this.#world;
    const isOver = !truth.rollouts.some(isOpen);
    let absence = "";
    for (const { id } of truth.topology.hosts) {
      const isUpToDate = world.nodes.get(id)?.trust.epoch === truth.epoch;
      if (world.clock.nowMs() - world.lastReportMs(id) > connectedWithinMs) this.#silent.add(id);
      else if (isUpToDate) this.#silent.delete(id);
      if (isOver && this.#isExcused(id, truth) && hasCaughtUp(world, id, truth))
        this.#settledWaivers.set(id, truth.waivers.get(id) ?? 0);
      absence += `${this.#silent.has(id)} ${this.#isExcused(id, truth)} `;
    }
    return absence;
  }

  #isExcused(hostId: HostId, truth: Truth): boolean {
    return (truth.waivers.get(hostId) ?? 0) > (this.#settledWaivers.get(hostId) ?? 0);
  }

  #violation(edge: Edge, truth: Truth, absence: string): string | undefined {
    const presentation = presentationOf(this.#world, edge);
    if (presentation === undefined) return undefined;
    const verifier = verifierOf(this.#world, edge, truth);
    if (verifier === undefined) return undefined;
    const { presented, documents } = presentation;
    const known = edge.verifier === this.#world.admin.id ? truth.credentials : null;
    const { inForce } = verifier;
    const basis = [presented, documents.trust, inForce, known, truth.deniedKeys, absence];
    const key = `${edge.verifier} ${edge.presenter} ${edge.usage}`;
    const before = this.#judged.get(key);
    if (before?.every((part, i) => part === basis[i]) === true) return undefined;
    const found = this.#judge(edge, presentation, verifier, truth);
    if (found === undefined) this.#judged.set(key, basis);
    return found && `${edge.verifier} refuses ${edge.presenter} (${edge.usage}): ${found}`;
  }

  #judge(
    edge: Edge,
    { presented, documents }: Presentation,
    verifier: Verifier,
    truth: Truth,
  ): string | undefined {
    const hosts = [hostOf(edge.verifier, truth), hostOf(edge.presenter, truth)];
    if (hosts.some((host) => host !== undefined && this.#isExcused(host, truth))) return undefined;
    if (this.#isDenied(edge.presenter, truth) || this.#isDenied(edge.verifier, truth))
      return undefined;
    const shown = shownBy(presented, documents);
    if (edge.usage === "traffic") {
      const isAccepted = this.#world.accepts(verifier.inForce, shown, "traffic");
      return isAccepted ? undefined : "the chain is not trusted";
    }
    const verdict = judge(verifier, shown, questionOf(edge, this.#world.clock.nowMs()));
    if (verdict.ok) return undefined;
    const isAway = hosts[0] !== undefined && this.#silent.has(hosts[0]);
    const isAdminKey = verdict.refusal === "other-key" && edge.presenter.endsWith(".admin");
    return isAdminKey && isAway ? undefined : `${verdict.refusal}, ${verdict.text}`;
  }

  #isDenied(id: string, truth: Truth): boolean {
    const edge = { verifier: id, presenter: id, usage: "management" } as Edge;
    const leaf = presentationOf(this.#world, edge)?.presented.leaf;
    return leaf !== undefined && truth.deniedKeys.has(leaf.keyFingerprint);
  }

  /** No conversation rests on trust that was taken away once the change that took it is over. */
  #staleConnections(truth: Truth): string[] {
    const { admin, parties } = this.#world;
    if (admin.trust.epoch === 0 || truth.rollouts.some(isOpen)) return [];
    const found: string[] = [];
    const documents = admin.trust.documents();
    for (const { hostId, shown } of admin.connections.values()) {
      if (this.#isExcused(hostId, truth)) continue;
      if (!this.#world.accepts(documents, shown, "management"))
        found.push(`${admin.id} serves ${hostId} over a connection that is not trusted any more`);
    }
    for (const { id, inForce, connections } of parties.values()) {
      for (const [instance, { shown }] of connections)
        if (inForce !== null && !this.#world.accepts(inForce, shown, "traffic"))
          found.push(`${id} calls ${instance} over a connection that is not trusted any more`);
    }
    return found;
  }
}

function hostOf(id: string, truth: Truth): HostId | undefined {
  const owner = ownerOf(id);
  return (
    truth.topology.hosts.find((host) => host.nodeManager.id === owner)?.id ??
    truth.topology.instances.find((instance) => instance.id === owner)?.hostId
  );
}

/** The Node Manager whose credential an Admin Node Manager's process presents; others are themselves. */
function ownerOf(process: string): ProcessId {
  return process.replace(/\.admin$/, "") as ProcessId;
}

function nodeOf(world: World, id: string): NodeManager | undefined {
  for (const node of world.nodes.values()) if (node.id === id) return node;
  return undefined;
}

/** What the presenter of an edge shows now; undefined while it does not run. */
function presentationOf(world: World, { presenter, usage }: Edge): Presentation | undefined {
  const { admin } = world;
  if (presenter === admin.id) {
    const { identity, inForce } = admin;
    return identity === null || inForce === null || !admin.life.alive
      ? undefined
      : { presented: identity, documents: inForce };
  }
  const gateway = world.gateways.get(presenter);
  if (gateway !== undefined)
    return { presented: gateway.inForce[usage], documents: gateway.inForce.documents };
  const node = nodeOf(world, presenter);
  return node && { presented: node.identity, documents: node.trust.documents() };
}

function verifierOf(world: World, { verifier }: Edge, truth: Truth): Verifier | undefined {
  if (verifier === world.admin.id)
    return world.admin.life.alive ? world.admin.verifier(recordedOf(truth)) : undefined;
  const gateway = world.gateways.get(verifier as ProcessId);
  if (gateway !== undefined) return gateway.verifier;
  for (const { id, inForce } of world.parties.values())
    if (id === verifier && inForce !== null)
      return { role: "relying-party", hostId: null, inForce, known: [] };
  return nodeOf(world, verifier)?.verifier;
}

/** Every Node Manager with its recorded keys, as an Admin Node Manager reads them from the store. */
function recordedOf(truth: Truth): KnownProcess[] {
  return truth.topology.hosts.map(({ id, name, address, nodeManager }) => ({
    id: nodeManager.id,
    role: nodeManager.isAdmin ? "anm" : "nm",
    hostId: id,
    name,
    address,
    port: nodeManager.port,
    keys:
      truth.credentials
        .find((credential) => credential.process === nodeManager.id)
        ?.recorded.map((key) => key.spki) ?? [],
  }));
}

/** Node Managers call Admin Node Managers and instances: they are the client of every such pair. */
function questionOf(edge: Edge, nowMs: number): Question {
  const isServer = edge.presenter.endsWith(".admin") || edge.presenter.startsWith("instance-");
  return {
    peerIs: isServer ? "server" : "client",
    expected: isServer ? ownerOf(edge.presenter) : null,
    probe: false,
    nowMs,
  };
}
