import { Agent, type AgentOptions, type RequestOptions } from "node:https";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { ProcessId } from "../kit/index.ts";

/**
 * `dial: anm`: an Admin Node Manager opens the TCP connection to a Node Manager's port and says in
 * one line who it is; the Node Manager begins the TLS handshake on it, as the client that it is,
 * when it needs a connection. The line proves nothing: the handshake does.
 */
const preambleStart = "gatehouse-dial 1 ";
const preambleBytesMax = 128;
const firstBytesMsMax = 10_000;

/** What the Admin Node Manager of a host's Node Manager `id` begins a connection with. */
export function dialPreamble(id: ProcessId): string {
  return `${preambleStart}${id}\n`;
}

/** Connections that the other side opened, for use in place of own ones. */
export interface DialledConnections {
  /** One that was not used yet. Throws `unreachable` if none comes in a while. */
  take(): Promise<Socket>;
  /** Says whether the other side of one that was taken turned out to be who it said. */
  judged(socket: Socket, isProven: boolean): void;
}

/** An agent whose connections were opened by the other side; handshakes are as with any other. */
export class DialledAgent extends Agent {
  readonly #dialled: DialledConnections;

  constructor(options: AgentOptions, dialled: DialledConnections) {
    super(options);
    this.#dialled = dialled;
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    void this.#open(options as ConnectionOptions, callback ?? ((): void => {}));
  }

  async #open(
    options: ConnectionOptions,
    callback: (error: Error | null, stream: Duplex) => void,
  ): Promise<void> {
    try {
      const socket = await this.#dialled.take();
      callback(null, connectOver(socket, options, this.#dialled));
    } catch (error) {
      callback(error as Error, undefined as never);
    }
  }
}

/** The handshake of a client on a connection that the other side opened. */
export function connectOver(
  socket: Socket,
  options: ConnectionOptions,
  dialled: Pick<DialledConnections, "judged">,
): TLSSocket {
  const secure = connect({ ...options, socket });
  let isJudged = false;
  const judge = (isProven: boolean): void => {
    if (!isJudged) dialled.judged(socket, isProven);
    isJudged = true;
  };
  // Where anybody is let in on purpose, nobody has proven anything.
  secure.once("secureConnect", () => (secure.authorized ? judge(true) : (isJudged = true)));
  secure.once("error", () => judge(false));
  return secure;
}

/**
 * Lets a TLS server share its port with those that dial: a connection that begins with a preamble
 * is given to `onDialled`, one that begins with a TLS record (RFC 8446, 5.1) goes to the server.
 */
export function divertDialled(
  server: Server,
  onDialled: (id: ProcessId, socket: Socket) => void,
): void {
  const handshakes = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const destroy = (): void => void socket.destroy();
    const timer = setTimeout(destroy, firstBytesMsMax);
    socket.once("error", destroy).once("close", () => clearTimeout(timer));
    let begun = Buffer.alloc(0);
    const read = (bytes: Buffer): void => {
      begun = Buffer.concat([begun, bytes]);
      const isPreamble = begun[0] === preambleStart.charCodeAt(0);
      const end = begun.indexOf("\n");
      if (isPreamble && end < 0 && begun.length < preambleBytesMax) return;
      clearTimeout(timer);
      socket.off("data", read).pause();
      if (!isPreamble) {
        socket.unshift(begun);
        for (const handshake of handshakes) handshake.call(server, socket);
        return;
      }
      const line = begun.subarray(0, end + 1).toString("latin1");
      // Nothing may follow it before this side has spoken.
      if (end !== begun.length - 1 || !line.startsWith(preambleStart)) return destroy();
      onDialled(line.slice(preambleStart.length, -1) as ProcessId, socket);
    };
    socket.on("data", read);
  });
}
