import type { Socket } from "node:net";
import { DomainError, type ProcessId } from "../kit/index.ts";
import type { DialledConnections } from "../transport/index.ts";

/** An Admin Node Manager keeps two ready. */
const perAddressMax = 2;
/** So many addresses may say that they are one Admin Node Manager. */
const addressesMax = 8;
/** It opens another when one is used: that takes no longer than this. */
const waitMsMax = 1_500;
/** One that is older may have been lost on the way without a word. */
const idleMsMax = 120_000;

interface Idle {
  readonly socket: Socket;
  readonly address: string;
  readonly timer: NodeJS.Timeout;
}

/**
 * Connections that Admin Node Managers, or strangers who say that they are, have opened and that
 * are not used yet. Nobody has proven anything: those from an address that has are used first, and
 * those from one that has failed to are used, and kept, last. So a stranger can neither fill it nor
 * get in the way for longer than a handshake.
 */
export class DialledPool {
  readonly #isKnown: (id: ProcessId) => boolean;
  readonly #idle = new Map<ProcessId, Idle[]>();
  readonly #waiting = new Map<ProcessId, ((socket: Socket) => void)[]>();
  /** By id and address: -1 who has proven itself, else how often one failed to. */
  readonly #failures = new Map<string, number>();

  /** `isKnown`: is it an Admin Node Manager of the domain? */
  constructor(isKnown: (id: ProcessId) => boolean) {
    this.#isKnown = isKnown;
  }

  get size(): number {
    return [...this.#idle.values()].reduce((sum, idle) => sum + idle.length, 0);
  }

  /** Keeps a connection for later, or gives it to who waits for one. */
  offer(id: ProcessId, socket: Socket): void {
    if (!this.#isKnown(id)) return void socket.destroy();
    socket.setKeepAlive(true, 10_000);
    const waiting = this.#waiting.get(id)?.shift();
    if (waiting !== undefined) return waiting(socket);
    const timer = setTimeout(() => socket.destroy(), idleMsMax).unref();
    const entry = { socket, address: socket.remoteAddress ?? "", timer };
    // The other side has nothing to say before this side has begun the handshake.
    socket.once("readable", () => socket.destroy());
    socket.once("close", () => this.#drop(id, entry));
    const all = [...(this.#idle.get(id) ?? []), entry];
    const same = all.filter(({ address }) => address === entry.address);
    const tooMany =
      same.length > perAddressMax
        ? same[0]
        : new Set(all.map(({ address }) => address)).size > addressesMax
          ? this.#byTrust(id, all).at(-1)
          : undefined;
    this.#idle.set(id, all);
    tooMany?.socket.destroy();
  }

  #drop(id: ProcessId, entry: Idle): void {
    clearTimeout(entry.timer);
    const left = (this.#idle.get(id) ?? []).filter((other) => other !== entry);
    if (left.length > 0) this.#idle.set(id, left);
    else this.#idle.delete(id);
  }

  /** The most trusted first, of those the newest. */
  #byTrust(id: ProcessId, entries: readonly Idle[]): Idle[] {
    const failures = ({ address }: Idle): number => this.#failures.get(`${id} ${address}`) ?? 0;
    return entries.toReversed().toSorted((a, b) => failures(a) - failures(b));
  }

  /** The connections of one Admin Node Manager. */
  of(id: ProcessId): DialledConnections {
    return {
      take: () => this.#take(id),
      judged: (socket, isProven) => this.#judged(id, socket.remoteAddress ?? "", isProven),
    };
  }

  #take(id: ProcessId): Promise<Socket> {
    const usable = (this.#idle.get(id) ?? []).filter(({ socket }) => !socket.destroyed);
    const [entry] = this.#byTrust(id, usable);
    if (entry !== undefined) {
      entry.socket.removeAllListeners("readable").removeAllListeners("close");
      this.#drop(id, entry);
      return Promise.resolve(entry.socket);
    }
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(id) ?? [];
      this.#waiting.set(id, queue);
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(give), 1);
        reject(
          new DomainError(
            "unreachable",
            `${id} has opened no connection to this host: check that it runs, and that it reaches this host's port`,
          ),
        );
      }, waitMsMax);
      const give = (socket: Socket): void => {
        clearTimeout(timer);
        resolve(socket);
      };
      queue.push(give);
    });
  }

  #judged(id: ProcessId, address: string, isProven: boolean): void {
    const key = `${id} ${address}`;
    const before = this.#failures.get(key) ?? 0;
    this.#failures.delete(key);
    this.#failures.set(key, isProven ? -1 : Math.max(0, before) + 1);
    if (this.#failures.size <= addressesMax ** 2) return;
    const oldest = [...this.#failures].find(([, failures]) => failures >= 0);
    if (oldest !== undefined) this.#failures.delete(oldest[0]);
  }

  close(): void {
    for (const { socket } of [...this.#idle.values()].flat()) socket.destroy();
  }
}
