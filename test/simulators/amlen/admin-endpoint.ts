import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Socket } from "node:net";

/** A request to the admin endpoint: the body as text. */
export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

/** What it is answered with; "Version" is put before `body`. */
export interface AdminAnswer {
  readonly status: number;
  readonly body: object;
}

export interface AdminEndpointOptions {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  /** Undefined: nobody is asked. */
  readonly login: { readonly user: string; readonly password: string } | undefined;
  readonly answer: (request: AdminRequest) => AdminAnswer;
}

/** The first byte of a TLS handshake record (RFC 8446 section 5.1). */
const handshakeRecord = 0x16;

/** HTTP and HTTPS on the same port, told apart by the first byte. The result closes it and its connections. */
export async function listenForAdmins(options: AdminEndpointOptions): Promise<() => void> {
  const handler: RequestListener = (request, response) => void respond(request, response, options);
  const http = createServer(handler);
  const https = createHttpsServer({ key: options.key, cert: options.certificate }, handler);
  const sockets = new Set<Socket>();
  const tcp = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (first) => {
      socket.pause();
      socket.unshift(first);
      const server = Buffer.from(first)[0] === handshakeRecord ? https : http;
      server.emit("connection", socket);
      process.nextTick(() => socket.resume());
    });
  });
  await new Promise<void>((resolve, reject) => {
    tcp.once("error", reject);
    tcp.listen(options.port, options.host, resolve);
  });
  return () => {
    tcp.close();
    http.close();
    https.close();
    for (const socket of sockets) socket.destroy();
  };
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { login, answer }: AdminEndpointOptions,
): Promise<void> {
  let body = "";
  request.setEncoding("utf8");
  try {
    for await (const text of request) body += String(text);
  } catch {
    return; // The client is gone.
  }
  const expected = login === undefined ? undefined : basicAuthorization(login);
  const refused = expected !== undefined && request.headers.authorization !== expected;
  const { status, body: content } = refused
    ? { status: 401, body: { Code: "CWLNA0207", Message: "Authentication is required" } }
    : answer({ method: request.method ?? "", path: request.url ?? "", body });
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ Version: "v1", ...content }));
}

function basicAuthorization({ user, password }: { user: string; password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
