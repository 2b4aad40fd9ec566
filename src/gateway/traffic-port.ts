import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import { DomainError } from "../kit/index.ts";
import {
  answerProbe,
  guardConnections,
  listenerOptions,
  reloadListener,
  type ConnectionEpochs,
  type ListenerRules,
  type ListenerState,
} from "../transport/index.ts";
import { Forwarder, type ForwardLimits, type Upgrade } from "./forward.ts";
import { keepAliveTimeoutMs, listenOn, stopListening } from "./listening.ts";
import { answerProblem, toldError } from "./problem.ts";
import { readTarget } from "./route-match.ts";
import type { Routing } from "./routing.ts";
import { passedProtocol, responseOnSocket } from "./tunnel.ts";

/** Header bytes of one request. */
const headerBytesMax = 32 * 1024;
/** A caller has this long for the headers, and for the whole request. */
const headersTimeoutMs = 20_000;
const requestTimeoutMs = 300_000;
/** More would leave no file descriptors for upstreams under a common limit. */
const connectionsMax = 10_000;

export interface TrafficOptions {
  readonly instanceId: string;
  readonly state: () => ListenerState;
  readonly routing: Routing;
  readonly epochs: ConnectionEpochs;
  readonly limits: ForwardLimits;
  readonly isDraining: () => boolean;
  readonly onAnswered: (status: number) => void;
  readonly monotonicMs: () => number;
}

/** The port that callers use: TLS, health checks, and routes to upstreams. */
export class TrafficPort {
  readonly #options: TrafficOptions;
  readonly #server: Server;
  readonly #forwarder: Forwarder;
  #openRequests = 0;
  #lastRequestMs: number;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#lastRequestMs = options.monotonicMs();
    this.#forwarder = new Forwarder(options.limits);
    const { state, instanceId, epochs } = options;
    const rules: ListenerRules = {
      verify: null,
      onProbe: (socket: TLSSocket) => {
        answerProbe(socket, instanceId, state().trust, null);
      },
    };
    this.#server = createServer(
      {
        ...listenerOptions(state, rules),
        maxHeaderSize: headerBytesMax,
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: keepAliveTimeoutMs,
        shouldUpgradeCallback: (request) => passedProtocol(request) !== null,
      },
      (request, response) => this.#onRequest(request, response),
    );
    this.#server.maxConnections = connectionsMax;
    this.#server.on("upgrade", (request: IncomingMessage, socket: TLSSocket, head: Buffer) =>
      this.#onUpgrade(request, socket, head),
    );
    guardConnections(this.#server, state, rules, epochs);
  }

  listen(port: number, host: string | undefined): Promise<void> {
    return listenOn(this.#server, port, host, "services");
  }

  /** From now on new connections are shown the present state. */
  reload(): void {
    reloadListener(this.#server, this.#options.state(), { verify: null });
  }

  get openRequests(): number {
    return this.#openRequests;
  }

  /** When a request last began or ended, by the monotonic clock. */
  get lastRequestMs(): number {
    return this.#lastRequestMs;
  }

  /** Takes no more connections and ends idle ones; open requests go on. */
  stopListening(): void {
    stopListening(this.#server);
  }

  close(): void {
    this.stopListening();
    this.#options.epochs.destroyWhere(() => true);
    this.#forwarder.close();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#begin();
    response.once("close", () => this.#end(response));
    this.#handle(request, response, null);
  }

  #onUpgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    const response = responseOnSocket(request, socket);
    this.#begin();
    socket.once("close", () => this.#end(response));
    const protocol = passedProtocol(request);
    this.#handle(request, response, protocol === null ? null : { protocol, socket, head });
  }

  #begin(): void {
    this.#openRequests += 1;
    this.#lastRequestMs = this.#options.monotonicMs();
  }

  #end(response: ServerResponse): void {
    this.#openRequests -= 1;
    this.#lastRequestMs = this.#options.monotonicMs();
    // Status 499, as common proxies have it: the caller went away before it was answered.
    const answered = response.headersSent || response.statusCode === 101;
    this.#options.onAnswered(answered ? response.statusCode : 499);
  }

  #handle(request: IncomingMessage, response: ServerResponse, upgrade: Upgrade | null): void {
    if (this.#options.isDraining()) response.setHeader("connection", "close");
    try {
      this.#route(request, response, upgrade);
    } catch (error) {
      answerProblem(response, toldError(error));
    }
  }

  #route(request: IncomingMessage, response: ServerResponse, upgrade: Upgrade | null): void {
    if ((request.headersDistinct["host"]?.length ?? 0) > 1) {
      throw new DomainError("invalid-input", "the request has more than one Host header");
    }
    const target = readTarget(request.url ?? "", request.headers.host);
    const [path = ""] = target.path.split("?", 1);
    if (path === "/healthcheck") return answerHealth(response, 200);
    if (path === "/healthchecklb") {
      return answerHealth(response, this.#options.isDraining() ? 503 : 200);
    }
    const upstreams = this.#options.routing.upstreamsFor(target);
    if (upstreams === undefined) {
      throw new DomainError("not-found", "no route takes this host and path");
    }
    void this.#forwarder.forward({ request, response, path: target.path, upgrade }, upstreams);
  }
}

/** The documented answer to health checks, also of load balancers. */
function answerHealth(response: ServerResponse, status: 200 | 503): void {
  const body = status === 200 ? "<status>ok</status>" : "<status>draining</status>";
  response.writeHead(status, {
    "content-type": "text/xml",
    "content-length": Buffer.byteLength(body),
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}
