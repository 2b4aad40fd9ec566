import type { Server } from "node:https";
import { describeError, type HostId } from "../kit/index.ts";
import type { Host } from "../domain/index.ts";
import type { AdminState } from "./admin-state.ts";
import { HostDialer } from "./host-dialer.ts";

const lookEveryMs = 1_000;

interface Dialled {
  readonly dialer: HostDialer;
  readonly target: string;
}

/**
 * Dials the hosts with `dial: anm`, and gives `server` every connection on which one of them begins
 * a handshake. A host that is to dial again itself is dialled for as long as it does not.
 */
export async function dialHosts(
  state: AdminState,
  server: Server,
  signal: AbortSignal,
): Promise<void> {
  const dialled = new Map<HostId, Dialled>();
  const { store } = state.env;
  let revision = -1;
  let hosts: readonly Host[] = [];
  while (!signal.aborted) {
    try {
      const seen = await store.waitForRevision(revision, lookEveryMs);
      if (seen !== revision) hosts = await store.read((view) => view.topology.hosts());
      revision = seen;
      keepDialled(state, server, dialled, hosts);
    } catch (error) {
      // Those that are known are dialled on: a host must not be lost with the store.
      state.log.debug({ error: describeError(error) }, "whom to dial could not be read");
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
  }
  for (const { dialer } of dialled.values()) dialer.close();
}

function keepDialled(
  state: AdminState,
  server: Server,
  dialled: Map<HostId, Dialled>,
  hosts: readonly Host[],
): void {
  const nowMs = state.env.clock.monotonicMs();
  const present = new Map(hosts.map((host) => [host.id, host]));
  for (const [id, { dialer, target }] of dialled) {
    const host = present.get(id);
    if (host !== undefined && isWanted(host) && targetOf(host) === target) continue;
    const isLeaving = host?.status === "active" && targetOf(host) === target;
    if (isLeaving && dialer.isInUse(nowMs)) continue;
    dialer.close();
    dialled.delete(id);
  }
  for (const host of present.values()) {
    if (!isWanted(host) || dialled.has(host.id)) continue;
    const { address, nodeManager } = host;
    const dialer = new HostDialer(
      { host: address, port: nodeManager.port },
      state.nodeManagerId,
      (socket) => server.emit("connection", socket),
    );
    dialled.set(host.id, { dialer, target: targetOf(host) });
    dialer.keep();
  }
}

/** A quarantined host is dialled too: it waits for the news that it was approved. */
function isWanted({ dial, status }: Host): boolean {
  return dial === "anm" && status !== "revoked";
}

function targetOf({ address, nodeManager }: Host): string {
  return `${address} ${nodeManager.port}`;
}
