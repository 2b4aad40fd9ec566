import { createServer, connect, type Server, type Socket } from "node:net";
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  type SecureContextOptions,
} from "node:tls";
import type { MemberCredentials } from "./credential-files.ts";

/** TLS 1.3, or 1.2 with the one suite Amlen offers: an RSA key cannot do the latter. */
const protocol = {
  minVersion: "TLSv1.2",
  ciphers:
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256",
} as const satisfies SecureContextOptions;

/** How long a peer may take to answer, in real time: one that hangs is tried again. */
const answerMsMax = 5_000;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: without TLS. */
  readonly credentials: MemberCredentials | undefined;
  /** Whether a client must show a certificate; one that is shown must verify in any case. */
  readonly requireCertificates: boolean;
  readonly onConnection: (socket: Socket) => void;
  /** A handshake that failed, or a certificate that was refused. */
  readonly onRefused: () => void;
}

/** Throws OpenSSL's error if a TLS context cannot be made, for a key of another certificate above all. */
export function checkCredentials(credentials: MemberCredentials): void {
  createSecureContext(acceptingSide(credentials));
}

/** The accepting side of members' connections. The port is `port`, or a free one if that is 0. */
export async function listenForMembers(options: ListenOptions): Promise<Server> {
  const server = options.credentials === undefined ? plainServer(options) : tlsServer(options);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return server;
}

function plainServer({ onConnection }: ListenOptions): Server {
  return createServer(onConnection);
}

function tlsServer(options: ListenOptions): Server {
  const { credentials, requireCertificates, onConnection, onRefused } = options;
  if (credentials === undefined) throw new Error("no credentials");
  const server = createTlsServer({
    ...acceptingSide(credentials),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: answerMsMax,
  });
  server.on("tlsClientError", onRefused);
  server.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    const shown = socket.getPeerX509Certificate() !== undefined;
    if (socket.authorized || (!shown && !requireCertificates)) return onConnection(socket);
    onRefused();
    socket.destroy();
  });
  return server;
}

function acceptingSide(credentials: MemberCredentials): SecureContextOptions {
  return {
    ...protocol,
    cert: credentials.certificate,
    key: credentials.key,
    ca: [...credentials.trusted],
    ...(credentials.revocations === undefined ? {} : { crl: credentials.revocations }),
  };
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: without TLS. */
  readonly credentials: MemberCredentials | undefined;
  /** PEM: what the host's system trusts, which the connecting side trusts too. */
  readonly systemCertificates: readonly string[];
}

/**
 * The connecting side: takes whoever verifies, and whoever shows any self-signed certificate; never looks at
 * names. Rejects if nobody is there or the peer is not taken. A peer that refuses us may close only later.
 */
export async function connectToMember(options: ConnectOptions): Promise<Socket> {
  const { host, port, credentials, systemCertificates } = options;
  if (credentials === undefined) return connected(connect({ host, port }), "connect");
  const socket = connectTls({
    ...protocol,
    host,
    port,
    cert: credentials.certificate,
    key: credentials.key,
    ca: [...credentials.trusted, ...systemCertificates],
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  await connected(socket, "secureConnect");
  // Node's types have an Error here, its code has OpenSSL's name of the problem.
  const problem = String(socket.authorizationError);
  if (socket.authorized || problem === "DEPTH_ZERO_SELF_SIGNED_CERT") return socket;
  socket.destroy();
  throw new Error(`the peer's certificate was refused: ${problem}`);
}

async function connected<T extends Socket>(socket: T, event: string): Promise<T> {
  socket.setTimeout(answerMsMax, () => socket.destroy(new Error("no answer")));
  await new Promise<void>((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
  socket.setTimeout(0);
  return socket;
}
