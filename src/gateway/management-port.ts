import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import { checkValue, instanceRoutes } from "../contract/index.ts";
import type { PeerCertificate, PeerVerdict } from "../domain/index.ts";
import { DomainError } from "../kit/index.ts";
import {
  answerProbe,
  guardConnections,
  judgePeer,
  judgeProbeClient,
  listenerOptions,
  readPeer,
  reloadListener,
  type ConnectionEpochs,
  type ListenerRules,
  type ListenerState,
  type Self,
} from "../transport/index.ts";
import { keepAliveTimeoutMs, listenOn, stopListening } from "./listening.ts";
import { answerProblem, loggedError, toldError } from "./problem.ts";
import type { GatewayLog } from "./gateway-log.ts";

const bodyBytesMax = 512 * 1024;
/** One Node Manager calls, over a few kept-alive connections. */
const connectionsMax = 256;

/** What a management route does: takes the checked body, returns the answer's JSON. */
export type ManagementHandlers = {
  readonly [Name in keyof typeof instanceRoutes]: (body: never) => unknown;
};

/** Pages beside the routes of the contract: text, for people and monitoring. */
export type ManagementPages = Readonly<
  Record<string, () => Promise<{ status: number; type: string; text: string }>>
>;

export interface ManagementOptions {
  readonly instanceId: string;
  readonly self: Self;
  readonly state: () => ListenerState;
  readonly epochs: ConnectionEpochs;
  readonly handlers: ManagementHandlers;
  readonly pages: ManagementPages;
  readonly isDraining: () => boolean;
  readonly nowMs: () => number;
  readonly log: GatewayLog;
}

/**
 * The port for the host's own Node Manager. Who calls is judged at every request by the trust that
 * is loaded then, so a denial or a forgotten key counts for open connections too.
 */
export class ManagementPort {
  readonly #options: ManagementOptions;
  readonly #server: Server;
  readonly #peers = new WeakMap<TLSSocket, PeerCertificate | null>();

  constructor(options: ManagementOptions) {
    this.#options = options;
    const { state, epochs } = options;
    const rules: ListenerRules = {
      verify: "management",
      onProbe: (socket) => this.#onProbe(socket),
    };
    this.#server = createServer(listenerOptions(state, rules), (request, response) => {
      void this.#handle(request, response);
    });
    this.#server.maxConnections = connectionsMax;
    this.#server.keepAliveTimeout = keepAliveTimeoutMs;
    guardConnections(this.#server, state, rules, epochs);
  }

  listen(port: number): Promise<void> {
    return listenOn(this.#server, port, "127.0.0.1", "management");
  }

  /** New connections are shown the present state; callers that it refuses lose theirs at once. */
  reload(): void {
    reloadListener(this.#server, this.#options.state(), { verify: "management" });
    this.#options.epochs.destroyWhere((socket) => !this.#judge(socket as TLSSocket).ok);
  }

  close(): void {
    stopListening(this.#server);
    this.#options.epochs.destroyWhere(() => true);
  }

  #onProbe(socket: TLSSocket): void {
    const { instanceId, self, state, nowMs } = this.#options;
    const { trust } = state();
    answerProbe(socket, instanceId, trust, () =>
      judgeProbeClient(socket, trust, self, trust.host?.processes ?? [], nowMs()),
    );
  }

  #judge(socket: TLSSocket): PeerVerdict {
    const { self, state, nowMs } = this.#options;
    const { trust } = state();
    const peer = this.#peerOf(socket);
    if (peer === null) {
      return {
        ok: false,
        refusal: "no-identity",
        text: "it shows no certificate that can be read",
      };
    }
    const known = trust.host?.processes ?? [];
    return judgePeer(peer, trust, {
      self,
      known,
      nowMs: nowMs(),
      peerIs: "client",
      expected: null,
      probe: false,
    });
  }

  #peerOf(socket: TLSSocket): PeerCertificate | null {
    const known = this.#peers.get(socket);
    if (known !== undefined) return known;
    const peer = readablePeer(socket);
    this.#peers.set(socket, peer);
    return peer;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, isDraining } = this.#options;
    const what = `${request.method} ${request.url}`;
    try {
      if (isDraining()) response.setHeader("connection", "close");
      this.#requireNodeManager(request, response);
      await this.#dispatch(request, response);
    } catch (error) {
      log.warn({ ...loggedError(error), request: what }, "a management request was refused");
      answerProblem(response, toldError(error));
    }
  }

  #requireNodeManager(request: IncomingMessage, response: ServerResponse): void {
    const verdict = this.#judge(request.socket as TLSSocket);
    if (verdict.ok) return;
    response.setHeader("connection", "close");
    const { refusal, text } = verdict;
    const code =
      refusal === "denied" ? "denied" : refusal === "no-identity" ? "unauthenticated" : "forbidden";
    throw new DomainError(code, `only the host's own Node Manager may call: ${text}`, {
      context: { refusal },
    });
  }

  async #dispatch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { handlers, pages } = this.#options;
    const [path = ""] = (request.url ?? "").split("?", 1);
    const page = request.method === "GET" ? pages[path] : undefined;
    if (page !== undefined) {
      const { status, type, text } = await page();
      return answerText(response, status, type, text);
    }
    const found = Object.entries(instanceRoutes).find(
      ([, route]) => route.method === request.method && route.path === path,
    );
    if (found === undefined) {
      throw new DomainError("not-found", `the management port has no ${request.method} ${path}`);
    }
    const [name, route] = found;
    const body =
      "body" in route ? checkValue(route.body, await readJson(request), "the request") : undefined;
    const answer = await handlers[name as keyof ManagementHandlers](body as never);
    if (route.status === 204) response.writeHead(204).end();
    else answerText(response, route.status, "application/json", JSON.stringify(answer));
  }
}

/** What the caller showed; null also for what is no certificate to us, though TLS carried it. */
function readablePeer(socket: TLSSocket): PeerCertificate | null {
  if (socket.destroyed) return null;
  try {
    return readPeer(socket);
  } catch {
    return null;
  }
}

function answerText(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax)
      throw new DomainError("invalid-input", "the request body is too large");
    chunks.push(chunk);
  }
  try {
    // A Node Manager of the version before says nothing.
    return bytes === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new DomainError("invalid-input", "the request body is not JSON", { cause });
  }
}
