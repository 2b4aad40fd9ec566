import { connect, type TLSSocket } from "node:tls";
import type { LoadConnection, LoadEvent, LoadOrder } from "./load-order.ts";

/** The client loop, the same for every server: one request at a time on each connection. */
let isCounting = false;
let isOver = false;
const latenciesMs: number[] = [];

function say(event: LoadEvent): void {
  process.send?.(event);
}

function requestOf({ path }: LoadConnection, body: string): Buffer {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Length of the whole answer at the start of `bytes`, or undefined while its end is not known. */
function answerLength(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = bytes.toString("latin1", 0, headEnd);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) return headEnd + 4 + Number(length);
  const end = bytes.indexOf("0\r\n\r\n", headEnd);
  return end < 0 ? undefined : end + 5;
}

function open(connection: LoadConnection): Promise<TLSSocket> {
  const { port, ca, key, cert } = connection;
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host: "127.0.0.1",
        port,
        ca,
        ALPNProtocols: ["http/1.1"],
        checkServerIdentity: () => undefined,
        ...(key === undefined || cert === undefined ? {} : { key, cert }),
      },
      () => resolve(socket),
    );
    socket.setNoDelay(true);
    socket.once("error", reject);
  });
}

function drive(socket: TLSSocket, connection: LoadConnection, status: number): Promise<void> {
  const requests = connection.bodies.map((body) => requestOf(connection, body));
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    let sentAtMs = 0;
    let next = 0;
    const send = (): void => {
      const request = requests[next++ % requests.length];
      sentAtMs = performance.now();
      if (request !== undefined) socket.write(request);
    };
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const length = answerLength(received);
      if (length === undefined || received.length < length) return;
      if (!received.toString("latin1", 9, 12).startsWith(String(status))) {
        reject(new Error(received.toString("utf8").slice(0, 600)));
        return;
      }
      received = Buffer.alloc(0);
      if (isCounting) latenciesMs.push(performance.now() - sentAtMs);
      if (!isOver) return send();
      socket.end();
      resolve();
    });
    socket.once("error", reject);
    send();
  });
}

async function run(order: LoadOrder): Promise<void> {
  const sockets = await Promise.all(order.connections.map(open));
  const pause = (seconds: number): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const ends = sockets.map((socket, i) => {
    const connection = order.connections[i];
    return connection === undefined ? Promise.resolve() : drive(socket, connection, order.status);
  });
  await Promise.race([Promise.all(ends), pause(order.warmUpSeconds)]);
  const startMs = performance.now();
  isCounting = true;
  say({ event: "started" });
  await Promise.race([Promise.all(ends), pause(order.seconds)]);
  isCounting = false;
  const seconds = (performance.now() - startMs) / 1000;
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number): number => latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0;
  say({
    event: "stopped",
    answers: latenciesMs.length,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  });
  isOver = true;
  await Promise.all(ends);
}

process.once("message", (order: LoadOrder) => {
  run(order).then(
    () => process.exit(0),
    (error: unknown) => {
      say({ event: "failed", text: String(error) });
      process.exit(1);
    },
  );
});
