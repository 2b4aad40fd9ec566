import type { Socket } from "node:net";
import { DomainError, type HostId } from "../kit/index.ts";

interface Present {
  readonly bootId: string;
  readonly sockets: Set<Socket>;
}

/**
 * Which Node Managers are connected, each by the random id of its start. While one is, another
 * start with the same identity is refused: a copied home folder does not get in beside its original.
 */
export class Presence {
  readonly #present = new Map<HostId, Present>();
  readonly #rivals = new Map<HostId, number>();

  /** Takes or keeps the place of a host. Throws `identity-in-use`. */
  claim(hostId: HostId, bootId: string, socket: Socket): void {
    const present = this.#present.get(hostId);
    if (present !== undefined && present.bootId !== bootId && present.sockets.size > 0) {
      this.#rivals.set(hostId, (this.#rivals.get(hostId) ?? 0) + 1);
      throw new DomainError(
        "identity-in-use",
        `another process uses the identity of ${hostId}: stop it; if the home folder was copied, delete the host and join both anew`,
      );
    }
    const entry = present?.bootId === bootId ? present : { bootId, sockets: new Set<Socket>() };
    this.#present.set(hostId, entry);
    if (entry.sockets.has(socket)) return;
    entry.sockets.add(socket);
    socket.once("close", () => entry.sockets.delete(socket));
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
