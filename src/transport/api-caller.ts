import { Agent, request as httpsRequest, type AgentOptions } from "node:https";
import { DomainError, errorCodes, type ErrorCode } from "../kit/index.ts";
import {
  asOfHeader,
  routes,
  type RouteBody,
  type RouteDefinition,
  type RouteName,
  type RouteParams,
  type RouteQuery,
  type RouteResponse,
} from "../contract/index.ts";
import { DialledAgent, type DialledConnections } from "./dialled.ts";
import { otherServer, reachFailure } from "./reach-failure.ts";

/** An answer larger than this is not one of ours. */
const answerBytesMax = 64 * 1024 * 1024;

export interface CallInput {
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Called where the answer is not of now: its server shows what it knew at this moment. */
  readonly onLastKnown?: (asOf: Date) => void;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly asOf: string | undefined;
}

const defaultTimeoutMs = 30_000;

/**
 * Calls the routes of one server over kept-alive TLS connections. Sessions are never resumed, so
 * every connection is a full handshake under the trust of its moment.
 */
export class ApiCaller {
  readonly #agent: Agent;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #prefix: string;

  /** `dialled`: connections that the server opened, used in place of own ones. */
  constructor(
    server: { address: string; port: number; prefix: string; dialled?: DialledConnections },
    tls: AgentOptions,
  ) {
    this.#server = server;
    this.#prefix = server.prefix;
    const options: AgentOptions = {
      ...tls,
      keepAlive: true,
      maxCachedSessions: 0,
      ALPNProtocols: ["http/1.1"],
    };
    this.#agent =
      server.dialled === undefined ? new Agent(options) : new DialledAgent(options, server.dialled);
  }

  /**
   * Calls a route and returns the decoded answer (null for 204). Throws the DomainError that a
   * problem answer stands for, `unreachable`, `timeout`, or what the peer check refused with.
   */
  async call(route: RouteDefinition, input: CallInput = {}): Promise<unknown> {
    const { status, text, asOf } = await this.#send(route, input);
    if (asOf !== undefined) input.onLastKnown?.(new Date(asOf));
    if (status === route.status) return text === "" ? null : JSON.parse(text);
    throw problemError(text) ?? otherServer(this.#server);
  }

  #send(route: RouteDefinition, input: CallInput): Promise<Answer> {
    const body = input.body === undefined ? undefined : JSON.stringify(input.body);
    const headers: Record<string, string> = { accept: "application/json", ...input.headers };
    if (body !== undefined)
      Object.assign(headers, {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(body)),
      });
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        agent: this.#agent,
        host: this.#server.address,
        port: this.#server.port,
        method: route.method,
        path: this.#pathOf(route, input),
        headers,
      });
      const fail = (cause: unknown): void => {
        clearTimeout(timer);
        reject(this.#connectionError(cause));
      };
      const timer = setTimeout(
        () =>
          request.destroy(
            new DomainError(
              "timeout",
              `${this.#server.address}:${this.#server.port} did not answer in time: check that it runs, and that no firewall is between`,
            ),
          ),
        input.timeoutMs ?? defaultTimeoutMs,
      );
      request.once("error", fail);
      request.once("response", (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > answerBytesMax)
            request.destroy(
              new DomainError(
                "invalid-input",
                `the answer of ${this.#server.address}:${this.#server.port} is too large`,
              ),
            );
          else chunks.push(chunk);
        });
        response.once("end", () => {
          clearTimeout(timer);
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString("utf8"),
            asOf: response.headers[asOfHeader]?.toString(),
          });
        });
        response.once("error", fail);
      });
      request.end(body);
    });
  }

  #pathOf(route: RouteDefinition, input: CallInput): string {
    const path = route.path.replace(/:([a-zA-Z]+)/g, (_match, name: string) =>
      encodeURIComponent(String(input.params?.[name])),
    );
    const query = Object.entries(input.query ?? {}).map(
      ([name, value]) => `${name}=${encodeURIComponent(String(value))}`,
    );
    return this.#prefix + path + (query.length > 0 ? `?${query.join("&")}` : "");
  }

  #connectionError(cause: unknown): DomainError {
    if (cause instanceof DomainError) return cause;
    if (isChainFailure(cause)) {
      return new DomainError(
        "untrusted-server",
        `the certificate of ${this.#server.address}:${this.#server.port} does not verify under the trust that is loaded here: it is of another domain, or no process of one; check the address and the port`,
        { cause },
      );
    }
    return reachFailure(this.#server, cause);
  }

  /** Ends idle connections, and those in use after their answer. */
  close(): void {
    this.#agent.destroy();
  }
}

/** The error codes by which OpenSSL says that a chain does not verify (openssl-verify(1)). */
const chainFailures =
  /^(UNABLE_TO_|CERT_|CRL_|SELF_SIGNED|DEPTH_ZERO|INVALID_|PATH_LENGTH|ERROR_IN_CERT|ERR_TLS_CERT)/;

function isChainFailure(cause: unknown): boolean {
  return chainFailures.test((cause as NodeJS.ErrnoException).code ?? "");
}

/** The error that an answer's problem details stand for; null where it has none. */
function problemError(text: string): DomainError | null {
  try {
    const problem = JSON.parse(text) as {
      code?: string;
      detail?: string;
      context?: Record<string, string | number | boolean | null>;
    };
    if (problem.code !== undefined && problem.code in errorCodes) {
      return new DomainError(problem.code as ErrorCode, problem.detail ?? problem.code, {
        context: problem.context ?? {},
      });
    }
  } catch {
    // Not a problem document.
  }
  return null;
}

/** What a named route of the API takes and gives. */
export type ApiInput<Name extends RouteName> = Omit<CallInput, "params" | "query" | "body"> & {
  readonly params?: RouteParams<Name>;
  readonly query?: RouteQuery<Name>;
  readonly body?: RouteBody<Name>;
};

/** Calls a route of the API by its operation id. */
export async function callApi<Name extends RouteName>(
  caller: ApiCaller,
  name: Name,
  input: ApiInput<Name> = {},
): Promise<RouteResponse<Name>> {
  return (await caller.call(routes[name], input as CallInput)) as RouteResponse<Name>;
}
