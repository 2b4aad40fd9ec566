import type { Socket } from "node:net";

/** What members say to each other: our own lines of JSON, not Amlen's binary protocols. */
export interface MemberMessage {
  readonly type: string;
  readonly [name: string]: unknown;
}

/**
 * One connection between two members. While `isCut` says so, the network between them is gone: what is sent
 * is lost and what arrives was never sent, without the connection being closed.
 */
export class MemberChannel {
  onMessage: (message: MemberMessage) => void = () => undefined;
  onClose: () => void = () => undefined;
  readonly #socket: Socket;
  readonly #isCut: () => boolean;
  #rest = "";

  constructor(socket: Socket, isCut: () => boolean) {
    this.#socket = socket;
    this.#isCut = isCut;
    socket.setEncoding("utf8");
    socket.on("data", (text) => this.#receive(String(text)));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.onClose());
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  send(message: MemberMessage): void {
    if (!this.#isCut() && this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Closes once what was sent is on its way. */
  end(): void {
    this.onMessage = () => undefined;
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (this.#isCut() || !this.open) continue;
      try {
        this.onMessage(JSON.parse(line) as MemberMessage);
      } catch (error) {
        // Somebody else than a member: a client that speaks TLS to a plain port, say.
        if (!(error instanceof SyntaxError)) throw error;
        this.close();
      }
    }
  }
}
