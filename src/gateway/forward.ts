import {
  Agent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { pipeline } from "node:stream";
import { DomainError } from "../kit/index.ts";
import { requestHeaders, responseHeaders } from "./forwarded-headers.ts";
import { answerProblem } from "./problem.ts";
import { joinSockets } from "./tunnel.ts";
import type { Upstream } from "./upstream.ts";

export interface ForwardLimits {
  /** Bytes of a request body. */
  readonly bodyBytesMax: number;
  readonly connectTimeoutMs: number;
  /** Without a byte in either direction, waiting for the answer included. */
  readonly idleTimeoutMs: number;
}

export const defaultLimits: ForwardLimits = {
  bodyBytesMax: 100 * 1024 * 1024,
  connectTimeoutMs: 3_000,
  idleTimeoutMs: 60_000,
};

/** One request of a caller on its way. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** Set if the caller asks to switch to another protocol on its connection. */
  readonly upgrade: Upgrade | null;
}

export interface Upgrade {
  /** `websocket`. */
  readonly protocol: string;
  readonly socket: Socket;
  /** What the caller sent after the request already. */
  readonly head: Buffer;
}

/** An upstream that agreed to switch. */
export interface Switched {
  readonly kind: "switched";
  readonly answer: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

type Outcome =
  | { readonly kind: "answered"; readonly answer: IncomingMessage }
  | Switched
  /** Nothing was sent: another upstream may be tried, whatever the request is. */
  | { readonly kind: "not-sent"; readonly timedOut: boolean }
  /** A kept-alive connection was closed by the upstream while the request was on its way. */
  | { readonly kind: "stale" }
  | { readonly kind: "failed"; readonly timedOut: boolean }
  | { readonly kind: "too-large" };

/** Idle connections kept for each upstream. */
const freeConnectionsMax = 64;

/** RFC 9110 9.2.2: repeating them has the same effect as sending them once. */
const idempotent: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "PUT",
  "DELETE",
  "TRACE",
]);

/** Sends requests on to upstreams over kept-alive connections, and their answers back. */
export class Forwarder {
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: freeConnectionsMax });
  readonly #limits: ForwardLimits;

  constructor(limits: ForwardLimits) {
    this.#limits = limits;
  }

  /**
   * Tries `upstreams` in order until one answers, and passes its answer on. Once something was sent
   * there is no second try, except of a request without a body that is safe to repeat, when a
   * kept-alive connection turned out to be closed. Never rejects: problems are answered.
   */
  async forward(exchange: Exchange, upstreams: readonly Upstream[]): Promise<void> {
    let last: Outcome = { kind: "not-sent", timedOut: false };
    for (const upstream of upstreams) {
      last = await this.#attempt(exchange, upstream, this.#agent);
      // A fresh connection, since the other kept-alive ones are likely to be closed too.
      if (last.kind === "stale") last = await this.#attempt(exchange, upstream, false);
      if (exchange.response.destroyed || last.kind !== "not-sent") break;
      upstream.note("connect-failed");
    }
    if (exchange.response.destroyed) return abandon(last);
    if (last.kind === "answered") relay(last.answer, exchange.response);
    else if (last.kind === "switched") joinSockets(exchange, last);
    else answerFailure(exchange.response, last);
  }

  #attempt(exchange: Exchange, upstream: Upstream, agent: Agent | false): Promise<Outcome> {
    const { request, response, path, upgrade } = exchange;
    const { connectTimeoutMs, idleTimeoutMs, bodyBytesMax } = this.#limits;
    return new Promise((resolve) => {
      const outgoing = httpRequest({
        agent,
        host: upstream.hostname,
        port: upstream.port,
        method: request.method,
        path,
        headers: [
          ...requestHeaders(request.rawHeaders, callerOf(request), upstream.host),
          ...framing(request, upgrade),
        ],
      });
      const state = { sent: false, timedOut: false, tooLarge: false };
      const giveUp = (): void => {
        state.timedOut = true;
        outgoing.destroy(new Error("timed out"));
      };
      const connectTimer = setTimeout(giveUp, connectTimeoutMs);
      const onGone = (): void => void outgoing.destroy();
      response.once("close", onGone);
      outgoing.once("close", () => {
        clearTimeout(connectTimer);
        response.off("close", onGone);
      });
      outgoing.setTimeout(idleTimeoutMs, giveUp);
      whenConnected(outgoing, () => {
        clearTimeout(connectTimer);
        state.sent = true;
        sendBody(request, outgoing, bodyBytesMax, () => {
          state.tooLarge = true;
          outgoing.destroy(new Error("the body is too large"));
        });
      });
      outgoing.once("response", (answer) => resolve({ kind: "answered", answer }));
      outgoing.once("upgrade", (answer: IncomingMessage, socket: Socket, head: Buffer) => {
        socket.setTimeout(0);
        resolve({ kind: "switched", answer, socket, head });
      });
      // After an answer has begun, its stream reports what happens; this listener then changes nothing.
      outgoing.on("error", () => {
        request.unpipe(outgoing);
        resolve(failureOf(state, outgoing, request));
      });
    });
  }

  /** Ends the connections to upstreams. */
  close(): void {
    this.#agent.destroy();
  }
}

function failureOf(
  state: { sent: boolean; timedOut: boolean; tooLarge: boolean },
  outgoing: ClientRequest,
  request: IncomingMessage,
): Outcome {
  if (state.tooLarge) return { kind: "too-large" };
  if (!state.sent) return { kind: "not-sent", timedOut: state.timedOut };
  const repeatable = idempotent.has(request.method ?? "") && !hasBody(request);
  if (outgoing.reusedSocket && repeatable && !state.timedOut) return { kind: "stale" };
  return { kind: "failed", timedOut: state.timedOut };
}

function whenConnected(outgoing: ClientRequest, begin: () => void): void {
  outgoing.once("socket", (socket) => {
    if (socket.connecting) socket.once("connect", begin);
    else begin();
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function sendBody(
  request: IncomingMessage,
  outgoing: ClientRequest,
  bytesMax: number,
  onTooLarge: () => void,
): void {
  if (!hasBody(request)) return void outgoing.end();
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return onTooLarge();
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) onTooLarge();
  });
  request.pipe(outgoing);
}

/** How the message to the upstream is framed (RFC 9112 6): as it came, said anew for this connection. */
function framing({ method, headers }: IncomingMessage, upgrade: Upgrade | null): string[] {
  if (upgrade !== null) return ["Connection", "Upgrade", "Upgrade", upgrade.protocol];
  if (headers["transfer-encoding"] !== undefined) return ["Transfer-Encoding", "chunked"];
  const expectsBody = ["POST", "PUT", "PATCH"].includes(method ?? "");
  return expectsBody && headers["content-length"] === undefined ? ["Content-Length", "0"] : [];
}

function callerOf(request: IncomingMessage): { address: string; host: string | undefined } {
  return { address: request.socket.remoteAddress ?? "unknown", host: request.headers.host };
}

function relay(answer: IncomingMessage, response: ServerResponse): void {
  try {
    response.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage,
      responseHeaders(answer.rawHeaders),
    );
  } catch (cause) {
    answer.destroy();
    return answerProblem(
      response,
      new DomainError("unreachable", "the upstream's answer cannot be passed on", { cause }),
      502,
    );
  }
  // An answer that breaks off must not look complete: pipeline then destroys the caller's connection.
  pipeline(answer, response, () => undefined);
}

function answerFailure(response: ServerResponse, outcome: Outcome): void {
  if (outcome.kind === "too-large") {
    response.setHeader("connection", "close");
    return answerProblem(
      response,
      new DomainError("invalid-input", "the request body is too large"),
      413,
    );
  }
  if ("timedOut" in outcome && outcome.timedOut) {
    return answerProblem(
      response,
      new DomainError("timeout", "the upstream did not answer in time"),
    );
  }
  if (outcome.kind === "not-sent") {
    return answerProblem(
      response,
      new DomainError("unreachable", "no upstream can be reached: try again"),
    );
  }
  answerProblem(
    response,
    new DomainError("unreachable", "the upstream broke off before it answered"),
    502,
  );
}

function abandon(outcome: Outcome): void {
  if (outcome.kind === "answered") outcome.answer.destroy();
  if (outcome.kind === "switched") outcome.socket.destroy();
}
