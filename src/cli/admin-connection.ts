import { randomUUID } from "node:crypto";
import { DomainError, isDomainError } from "../kit/index.ts";
import { routes, type RouteName, type RouteResponse } from "../contract/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  type ApiInput,
  type ServerAddress,
} from "../transport/index.ts";
import type { VerifiedDomain } from "./first-contact.ts";

/**
 * Calls the API of whichever Admin Node Manager of the domain can be reached. Before it connects
 * it reads what was added to the signed trust chain, so it follows the domain through a rotation
 * of the very CA it is verified with.
 */
export class AdminConnection {
  readonly #domain: VerifiedDomain;
  #open: { readonly caller: ApiCaller; readonly server: ServerAddress } | null = null;

  constructor(domain: VerifiedDomain) {
    this.#domain = domain;
  }

  /**
   * Calls a route; after a lost connection, or when the server shows a certificate of a newer CA,
   * once more. Writes carry an idempotency key, so that a repetition changes nothing twice.
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
    try {
      return await call();
    } catch (error) {
      const isLost =
        isDomainError(error, "unreachable") || isDomainError(error, "untrusted-server");
      if (!isLost || this.#open === null) throw error;
      this.close();
      return call();
    }
  }

  async #connected(): Promise<{ caller: ApiCaller; server: ServerAddress }> {
    if (this.#open !== null) return this.#open;
    const { servers, trust } = this.#domain;
    let failure: unknown = new DomainError(
      "unreachable",
      "the trust document names no Admin Node Manager: give --anm_host",
    );
    for (const server of servers) {
      try {
        trust.accept(await fetchTrustLinks(server, trust.epoch));
        const tls = adminServerTls({ trust, caller: "user", nowMs: () => Date.now() });
        this.#open = { server, caller: new ApiCaller({ ...server, prefix: apiPrefix }, tls) };
        return this.#open;
      } catch (error) {
        failure = isDomainError(error, "signature-invalid") ? otherDomain(server, error) : error;
        if (!isDomainError(error, "unreachable") && !isDomainError(error, "timeout")) break;
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
