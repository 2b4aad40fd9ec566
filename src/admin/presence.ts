import type { Socket } from "node:net";
import type { HostId } from "../kit/index.ts";
import type { HostObservation } from "../domain/index.ts";
import { identityInUse } from "../control/index.ts";

interface Present {
  readonly bootId: string;
  readonly sockets: Set<Socket>;
}

/**
 * Which Node Managers are connected to this Admin Node Manager, each by the random id of its start. While one is, another
 * start with the same identity is refused: a copied home folder does not get in beside its original.
 */
export class Presence {
  readonly #present = new Map<HostId, Present>();
  readonly #rivals = new Map<HostId, number>();
  /** The start that was refused last, and when the one elsewhere had last reported as it first asked. */
  readonly #refused = new Map<HostId, { bootId: string; reportedAtMs: number }>();

  /** Takes or keeps the place of a host. Throws `identity-in-use`. */
  claim(hostId: HostId, bootId: string, socket: Socket): void {
    if (this.isUsedByAnother(hostId, bootId)) {
      this.noteRival(hostId);
      throw identityInUse(hostId);
    }
    const present = this.#present.get(hostId);
    const entry = present?.bootId === bootId ? present : { bootId, sockets: new Set<Socket>() };
    this.#present.set(hostId, entry);
    // One that has closed meanwhile would never be told to leave.
    if (socket.destroyed || entry.sockets.has(socket)) return;
    entry.sockets.add(socket);
    socket.once("close", () => entry.sockets.delete(socket));
  }

  /** True if another start with the identity is connected; null: of any start. */
  isUsedByAnother(hostId: HostId, bootId: string | null): boolean {
    return this.isConnected(hostId) && this.#present.get(hostId)?.bootId !== bootId;
  }

  /** True if this very start is connected. */
  isPresent(hostId: HostId, bootId: string): boolean {
    return this.isConnected(hostId) && this.#present.get(hostId)?.bootId === bootId;
  }

  /**
   * Refuses a start whose identity another one has at another Admin Node Manager. It is a rival if
   * that one goes on reporting; else it was started anew, and is let in soon.
   */
  refuse(
    hostId: HostId,
    bootId: string,
    last: Pick<HostObservation, "receivedAtMs"> | undefined,
  ): never {
    const reportedAtMs = last?.receivedAtMs ?? 0;
    const before = this.#refused.get(hostId);
    if (before?.bootId !== bootId) this.#refused.set(hostId, { bootId, reportedAtMs });
    else if (reportedAtMs > before.reportedAtMs) this.noteRival(hostId);
    throw identityInUse(hostId);
  }

  /** Counts a claim of an identity that another start has. */
  noteRival(hostId: HostId): void {
    this.#rivals.set(hostId, (this.#rivals.get(hostId) ?? 0) + 1);
  }

  isConnected(hostId: HostId): boolean {
    return (this.#present.get(hostId)?.sockets.size ?? 0) > 0;
  }

  /** Hosts whose identity was claimed a second time, with how often. */
  rivals(): ReadonlyMap<HostId, number> {
    return this.#rivals;
  }

  /** Destroys the connections of a host whose keys were denied. */
  disconnect(hostId: HostId): void {
    for (const socket of this.#present.get(hostId)?.sockets ?? []) socket.destroy();
  }
}
