import { ServerResponse, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Exchange, Switched } from "./forward.ts";
import { responseHeaders } from "./forwarded-headers.ts";

/** A peer that vanished without a word is noticed by TCP after about this long. */
const keepAliveProbeMs = 60_000;

/** The protocol that a request asks to switch to and that is passed through; null: none. */
export function passedProtocol(request: IncomingMessage): string | null {
  const wanted = request.headers.upgrade?.trim().toLowerCase();
  return wanted === "websocket" && request.method === "GET" ? wanted : null;
}

/**
 * A response for a request that came as an upgrade, whose socket Node.js has let go of: for the
 * answers that do not switch. The connection ends with it.
 */
export function responseOnSocket(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on("error", () => socket.destroy());
  response.once("finish", () => {
    response.detachSocket(socket);
    socket.end();
  });
  return response;
}

/** Tells the caller that the upstream switched, and passes bytes both ways until one side ends. */
export function joinSockets({ response, upgrade }: Exchange, upstream: Switched): void {
  if (upgrade === null) return void upstream.socket.destroy();
  const { socket, head } = upgrade;
  const { answer } = upstream;
  const headers = [
    ...responseHeaders(answer.rawHeaders),
    "Connection",
    "Upgrade",
    "Upgrade",
    upgrade.protocol,
  ];
  response.statusCode = 101;
  response.detachSocket(socket);
  socket.write(headText(answer.statusMessage ?? "", headers), "latin1");
  if (upstream.head.length > 0) socket.write(upstream.head);
  if (head.length > 0) upstream.socket.write(head);
  for (const each of [socket, upstream.socket]) each.setKeepAlive(true, keepAliveProbeMs);
  passOn(socket, upstream.socket);
  passOn(upstream.socket, socket);
}

/** Passes bytes on until `from` is closed; then `to` is closed too, after what was written to it. */
function passOn(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on("error", () => from.destroy());
  from.once("close", () => to.destroySoon());
}

function headText(reason: string, headers: readonly string[]): string {
  const lines = headers.flatMap((value, i) => (i % 2 === 1 ? [`${headers[i - 1]}: ${value}`] : []));
  return [`HTTP/1.1 101 ${reason || "Switching Protocols"}`, ...lines, "", ""].join("\r\n");
}
