import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { ServedPort } from "./description.ts";

/** A silent peer is given up after this time, at any moment of the connection. */
const silenceMsMax = 5_000;

/**
 * Connects to a port and says what its protocol wants said before a handshake. The caller destroys
 * the socket. Rejects with the system's error where there is no such server.
 */
export async function openTcp({ host, port, starttls }: ServedPort): Promise<Socket> {
  const tcp = connectTcp({ host, port: Number(port) });
  tcp.setTimeout(silenceMsMax, () => tcp.destroy(new Error("no answer in time")));
  try {
    await new Promise<void>((resolve, reject) => {
      tcp.once("connect", resolve);
      tcp.once("error", reject);
    });
    if (starttls !== undefined) await greet[starttls](tcp);
  } catch (error) {
    tcp.destroy();
    throw error;
  }
  return tcp;
}

/**
 * A full handshake (no session is resumed) on an open connection. Nothing is trusted here: the caller
 * knows which certificate it looks for, or only asks whether its own is taken.
 */
export function startTls(
  tcp: Socket,
  { name }: ServedPort,
  identity: Pick<ConnectionOptions, "key" | "cert"> = {},
): TLSSocket {
  const socket = connectTls({
    ...identity,
    socket: tcp,
    rejectUnauthorized: false,
    ...(name === undefined ? {} : { servername: name }),
  });
  tcp.on("error", (error) => socket.destroy(error));
  return socket;
}

/** What has to be said before the handshake. */
const greet: Readonly<Record<NonNullable<ServedPort["starttls"]>, (tcp: Socket) => Promise<void>>> =
  {
    // A NATS server speaks first: one line with what it is.
    nats: async (tcp) => {
      let text = "";
      while (!text.includes("\n")) text += String(await readSome(tcp));
    },
    // SSLRequest (PostgreSQL's protocol, section 55.7): length 8, code 80877103; S means yes.
    postgresql: async (tcp) => {
      tcp.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
      if (String(await readSome(tcp)) !== "S") throw new Error("the server does not speak TLS");
    },
  };

function readSome(tcp: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const onData = (bytes: Buffer): void => {
      tcp.pause();
      tcp.off("close", onClose);
      resolve(bytes);
    };
    const onClose = (): void => reject(new Error("the connection was closed"));
    tcp.once("data", onData);
    tcp.once("close", onClose);
    tcp.once("error", reject);
    tcp.resume();
  });
}
