import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type SecureContextOptions } from "node:tls";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** How a client knows servers (`ca`) and shows itself; read anew for every connection. */
export interface ClientTls extends Pick<SecureContextOptions, "ca" | "key" | "cert"> {
  readonly servername?: string;
}

const silenceMsMax = 10_000;

/** A connection of a protocol's client, over TCP first and perhaps TLS then: bytes out, messages in. */
export class Wire {
  #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #reason: Error | null = null;
  #onChange: () => void = () => undefined;
  /** Whether anything came since the last call of `send`. */
  isAnswered = false;

  private constructor(socket: Socket) {
    this.#socket = this.#listen(socket);
  }

  static async open({ host, port }: Target): Promise<Wire> {
    const wire = new Wire(connectTcp({ host, port, noDelay: true }));
    await wire.#once(wire.#socket, "connect");
    return wire;
  }

  /** A full handshake: no session is resumed. */
  async startTls({ servername, ...options }: ClientTls): Promise<void> {
    const tcp = this.#socket;
    tcp.removeAllListeners("data");
    const name = servername === undefined ? {} : { servername };
    this.#socket = this.#listen(connectTls({ ...options, ...name, socket: tcp }));
    await this.#once(this.#socket, "secureConnect");
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(bytes: string | Buffer): void {
    this.isAnswered = false;
    this.#socket.write(bytes);
  }

  /** The first message that `parse` finds at the beginning of what came; it says how long it is. */
  async read<T>(parse: (bytes: Buffer) => { message: T; length: number } | null): Promise<T> {
    for (;;) {
      const found = parse(this.#bytes);
      if (found !== null) {
        this.#bytes = this.#bytes.subarray(found.length);
        return found.message;
      }
      if (this.#isClosed) throw this.#reason ?? new Error("the server closed the connection");
      await new Promise<void>((resolve) => (this.#onChange = resolve));
    }
  }

  /** A line without its end (CR LF). */
  readLine(): Promise<string> {
    return this.read((bytes) => {
      const end = bytes.indexOf("\r\n");
      return end < 0 ? null : { message: bytes.toString("utf8", 0, end), length: end + 2 };
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  #listen(socket: Socket): Socket {
    socket.setTimeout(silenceMsMax, () => socket.destroy(new Error("no answer in time")));
    socket.on("data", (bytes) => {
      this.isAnswered = true;
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#onChange();
    });
    socket.on("error", (error) => (this.#reason ??= error));
    for (const event of ["end", "close"])
      socket.on(event, () => {
        this.#isClosed = true;
        this.#onChange();
      });
    return socket;
  }

  #once(socket: Socket, event: string): Promise<void> {
    return new Promise((resolve, reject) => {
      socket.once(event, resolve);
      socket.once("close", () =>
        reject(this.#reason ?? new Error("the connection was closed before it was made")),
      );
    });
  }
}
