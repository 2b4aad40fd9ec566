import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** An idle connection from before is ended after this; a client in use is told with its next answer. */
const idleGraceMs = 10_000;

interface Open {
  readonly epoch: number;
  busy: number;
  lastUsedMs: number;
  isEnding: boolean;
}

/**
 * Every open connection with the trust epoch of its handshake. When trust is taken away, those from
 * before are closed: announced with `Connection: close` on the next answer where there is traffic,
 * ended after a grace period where there is none.
 */
export class ConnectionEpochs {
  readonly #open = new Map<Socket, Open>();
  #closeBefore = 0;
  readonly #nowMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#nowMs = monotonicMs;
  }

  /** Counts a connection that has finished its handshake. */
  add(socket: Socket, epoch: number): void {
    this.#open.set(socket, { epoch, busy: 0, lastUsedMs: this.#nowMs(), isEnding: false });
    socket.once("close", () => this.#open.delete(socket));
  }

  /** Counts a request; announces the end of a connection from before. */
  request(request: IncomingMessage, response: ServerResponse): void {
    const open = this.#open.get(request.socket);
    if (open === undefined) return;
    open.busy += 1;
    if (open.epoch < this.#closeBefore) response.setHeader("connection", "close");
    response.once("close", () => {
      open.busy -= 1;
      open.lastUsedMs = this.#nowMs();
    });
  }

  /** From now on, connections from before `epoch` are to end. */
  closeBefore(epoch: number): void {
    this.#closeBefore = Math.max(this.#closeBefore, epoch);
  }

  /**
   * Ends connections from before that are idle for longer than the grace, and destroys those that
   * were ended at an earlier sweep and are still there; call it every second or so.
   */
  sweep(): void {
    for (const [socket, open] of this.#open) {
      const isIdle = open.busy === 0 && this.#nowMs() - open.lastUsedMs > idleGraceMs;
      if (open.epoch >= this.#closeBefore || !isIdle) continue;
      if (open.isEnding) socket.destroy();
      else socket.end();
      open.isEnding = true;
    }
  }

  /** Destroys at once every connection that `isRefused`: for denied peers, which get no announcement. */
  destroyWhere(isRefused: (socket: Socket) => boolean): void {
    for (const socket of this.#open.keys()) if (isRefused(socket)) socket.destroy();
  }

  /** Lowest epoch of an open connection; null if none is open. */
  oldest(): number | null {
    let lowest: number | null = null;
    for (const { epoch } of this.#open.values())
      lowest = lowest === null ? epoch : Math.min(lowest, epoch);
    return lowest;
  }

  get count(): number {
    return this.#open.size;
  }
}
