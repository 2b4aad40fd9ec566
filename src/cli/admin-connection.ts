import { randomUUID } from "node:crypto";
import { DomainError, isDomainError } from "../kit/index.ts";
import { routes, type RouteName, type RouteResponse } from "../contract/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  mayDoBetterElsewhere,
  type ApiInput,
  type ServerAddress,
} from "../transport/index.ts";
import type { VerifiedDomain } from "./first-contact.ts";

/** Where there is another, a server that says nothing for this long is passed over. */
const firstAnswerMsMax = 5_000;

/**
 * Calls the API of whichever Admin Node Manager of the domain can be reached. Before it connects
 * it reads what was added to the signed trust chain, so it follows the domain through a rotation
 * of the very CA it is verified with.
 */
export class AdminConnection {
  readonly #domain: VerifiedDomain;
  /** The one that is called or was called last first, those that failed last. */
  #servers: readonly ServerAddress[];
  #open: { readonly caller: ApiCaller; readonly server: ServerAddress } | null = null;

  constructor(domain: VerifiedDomain) {
    this.#domain = domain;
    this.#servers = domain.servers;
  }

  /**
   * Calls a route; after a lost connection, or when the server shows a certificate of a newer CA,
   * once more; where there are several, at each of them until one serves. Writes carry an
   * idempotency key, so that a repetition changes nothing twice.
   */
  async call<Name extends RouteName>(
    name: Name,
    input: ApiInput<Name>,
    token: string | null,
  ): Promise<RouteResponse<Name>> {
    const headers: Record<string, string> =
      token === null ? {} : { authorization: `Bearer ${token}` };
    if (token !== null && routes[name].method !== "GET") headers["idempotency-key"] = randomUUID();
    const call = async (): Promise<RouteResponse<Name>> =>
      callApi((await this.#connected()).caller, name, { ...input, headers });
    for (let triesLeft = Math.max(2, this.#servers.length); ; triesLeft--) {
      try {
        return await call();
      } catch (error) {
        // What a server that is only slow may still write is not asked of another one.
        const mayBeWritten = isDomainError(error, "timeout") && routes[name].method !== "GET";
        if (this.#open === null || triesLeft === 1 || mayBeWritten || !this.#mayTryAgain(error))
          throw error;
        const failed = this.#open.server;
        this.close();
        this.#servers = [...this.#servers.filter((server) => server !== failed), failed];
      }
    }
  }

  /** The same server is asked again only if it did not answer as itself. */
  #mayTryAgain(error: unknown): boolean {
    return this.#servers.length > 1
      ? mayDoBetterElsewhere(error)
      : isDomainError(error, "unreachable") || isDomainError(error, "untrusted-server");
  }

  async #connected(): Promise<{ caller: ApiCaller; server: ServerAddress }> {
    if (this.#open !== null) return this.#open;
    const { trust } = this.#domain;
    let failure: unknown = new DomainError(
      "unreachable",
      "the trust document names no Admin Node Manager: give --anm_host",
    );
    const timeoutMs = this.#servers.length > 1 ? firstAnswerMsMax : undefined;
    for (const server of this.#servers) {
      try {
        trust.accept(await fetchTrustLinks(server, trust.epoch, timeoutMs));
        const tls = adminServerTls({ trust, caller: "user", nowMs: () => Date.now() });
        this.#open = { server, caller: new ApiCaller({ ...server, prefix: apiPrefix }, tls) };
        return this.#open;
      } catch (error) {
        failure = isDomainError(error, "signature-invalid") ? otherDomain(server, error) : error;
        if (!mayDoBetterElsewhere(error)) break;
      }
    }
    throw failure;
  }

  close(): void {
    this.#open?.caller.close();
    this.#open = null;
  }
}

function otherDomain(server: ServerAddress, cause: unknown): DomainError {
  return new DomainError(
    "untrusted-server",
    `${server.address}:${server.port} shows a trust document that does not belong to this domain: check --anm_host`,
    { cause },
  );
}
