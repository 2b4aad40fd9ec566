import { connect, type Socket } from "node:net";
import type { ProcessId } from "../kit/index.ts";
import { dialPreamble } from "../transport/index.ts";

/** Kept ready: for the next call, and for one beside a long question. */
const idleWanted = 2;
const connectMsMax = 5_000;
/** Below the time after which a Node Manager gives up on one that was never used. */
const idleMsMax = 60_000;
const retryMsMin = 200;
const retryMsMax = 10_000;
/** A host that has just ended its last connection may be about to use another. */
const restMs = 60_000;

/** Keeps connections to a Node Manager's port ready, on which that begins the handshake when it wants. */
export class HostDialer {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #preamble: string;
  readonly #onBegun: (socket: Socket) => void;
  readonly #idle = new Set<Socket>();
  readonly #used = new Set<Socket>();
  #lastUsedAtMs = -Infinity;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** `onBegun` gets each connection on which the other side has begun a handshake. */
  constructor(
    target: { readonly host: string; readonly port: number },
    self: ProcessId,
    onBegun: (socket: Socket) => void,
  ) {
    this.#target = target;
    this.#preamble = dialPreamble(self);
    this.#onBegun = onBegun;
  }

  /** Dials until enough are ready. */
  keep(): void {
    while (!this.#isClosed && this.#timer === null && this.#idle.size < idleWanted) this.#dial();
  }

  /** True while the host uses such connections, or has lately. */
  isInUse(nowMs: number): boolean {
    return this.#used.size > 0 || nowMs - this.#lastUsedAtMs < restMs;
  }

  #dial(): void {
    const socket = connect({ ...this.#target, keepAlive: true, timeout: connectMsMax });
    let isStale = false;
    this.#idle.add(socket);
    socket.on("timeout", () => {
      isStale = !socket.connecting;
      socket.destroy();
    });
    socket.once("connect", () => socket.setTimeout(idleMsMax).write(this.#preamble));
    socket.once("error", () => socket.destroy());
    socket.once("data", (bytes: Buffer) => {
      this.#idle.delete(socket);
      this.#used.add(socket);
      this.#failures = 0;
      socket.setTimeout(0).removeAllListeners("timeout").pause();
      socket.unshift(bytes);
      this.#onBegun(socket);
      this.keep();
    });
    socket.once("close", () => {
      if (this.#used.delete(socket)) this.#lastUsedAtMs = performance.now();
      if (!this.#idle.delete(socket)) return;
      if (isStale) this.keep();
      else this.#keepLater();
    });
  }

  #keepLater(): void {
    if (this.#isClosed || this.#timer !== null) return;
    const pauseMs = Math.min(retryMsMax, retryMsMin * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.keep();
      },
      pauseMs * (0.5 + Math.random() / 2),
    );
  }

  /** Ends what is not used. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const socket of this.#idle) socket.destroy();
  }
}
