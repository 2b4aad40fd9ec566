import { randomUUID } from "node:crypto";
import { DomainError, isDomainError } from "../kit/index.ts";
import { routes, type RouteName, type RouteResponse } from "../contract/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  knownCaTls,
  mayDoBetterElsewhere,
  type ApiInput,
  type ServerAddress,
} from "../transport/index.ts";
import type { VerifiedDomain } from "./first-contact.ts";

interface Given<Name extends RouteName> {
  readonly answer: RouteResponse<Name>;
  readonly server: ServerAddress;
  /** When what it shows was so; null: now. */
  readonly asOf: Date | null;
}

/** Where there is another, a server that says nothing for this long is passed over. */
const firstAnswerMsMax = 5_000;

/**
 * Calls the API of whichever Admin Node Manager of the domain can be reached. Before it connects
 * it reads what was added to the signed trust chain, so it follows the domain through a rotation
 * of the very CA it is verified with.
 */
export class AdminConnection {
  readonly #domain: VerifiedDomain;
  readonly #onLastKnown: (server: ServerAddress, asOf: Date) => void;
  /** The one that is called or was called last first, those that failed last. */
  #servers: readonly ServerAddress[];
  #takesOld = false;
  #open: { readonly caller: ApiCaller; readonly server: ServerAddress } | null = null;

  /** `onLastKnown` is told of every answer that is not of now, because no server has one that is. */
  constructor(
    domain: VerifiedDomain,
    onLastKnown: (server: ServerAddress, asOf: Date) => void = () => {},
  ) {
    this.#domain = domain;
    this.#onLastKnown = onLastKnown;
    this.#servers = domain.servers;
  }

  /**
   * Calls a route; after a lost connection, or when the server shows a certificate of a newer CA,
   * once more; where there are several, at each of them until one serves; what one shows that is cut off from
   * the store counts if no other one has better. Writes carry an
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
    let old: Given<Name> | null = null;
    for (let triesLeft = Math.max(2, this.#servers.length); ; triesLeft--) {
      try {
        const given = await this.#callOne(name, { ...input, headers });
        if (given.asOf === null) return given.answer;
        old ??= given;
        if (this.#takesOld || triesLeft === 1 || this.#servers.length === 1)
          return this.#takeOld(old);
        this.#passOver(given.server);
      } catch (error) {
        // What a server that is only slow may still write is not asked of another one.
        const mayBeWritten = isDomainError(error, "timeout") && routes[name].method !== "GET";
        const ends =
          this.#open === null || triesLeft === 1 || mayBeWritten || !this.#mayTryAgain(error);
        if (ends && old !== null) return this.#takeOld(old);
        if (ends || this.#open === null) throw error;
        this.#passOver(this.#open.server);
      }
    }
  }

  /** True if one of them answers. */
  async isReachable(): Promise<boolean> {
    try {
      await this.#connected();
      return true;
    } catch (error) {
      if (isDomainError(error, "unreachable") || isDomainError(error, "timeout")) return false;
      throw error;
    }
  }

  async #callOne<Name extends RouteName>(name: Name, input: ApiInput<Name>): Promise<Given<Name>> {
    const { caller, server } = await this.#connected();
    let asOf: Date | null = null;
    const onLastKnown = (moment: Date): void => void (asOf = moment);
    const answer = await callApi(caller, name, { ...input, onLastKnown });
    return { answer, server, asOf };
  }

  #passOver(server: ServerAddress): void {
    this.close();
    this.#servers = [...this.#servers.filter((other) => other !== server), server];
  }

  /** Goes on with the server of an answer that is not of now, since no other one has a better. */
  #takeOld<Name extends RouteName>({ answer, server, asOf }: Given<Name>): RouteResponse<Name> {
    this.#takesOld = true;
    if (this.#open?.server !== server) this.close();
    this.#servers = [server, ...this.#servers.filter((other) => other !== server)];
    if (asOf !== null) this.#onLastKnown(server, asOf);
    return answer;
  }

  /** The same server is asked again only if it did not answer as itself. */
  #mayTryAgain(error: unknown): boolean {
    return this.#servers.length > 1
      ? mayDoBetterElsewhere(error)
      : isDomainError(error, "unreachable") || isDomainError(error, "untrusted-server");
  }

  async #connected(): Promise<{ caller: ApiCaller; server: ServerAddress }> {
    if (this.#open !== null) return this.#open;
    const { trust, isRestored = false } = this.#domain;
    let failure: unknown = new DomainError(
      "unreachable",
      "the trust document names no Admin Node Manager: give --anm_host",
    );
    const timeoutMs = this.#servers.length > 1 ? firstAnswerMsMax : undefined;
    for (const server of this.#servers) {
      try {
        trust.accept(await fetchTrustLinks(server, trust.epoch, timeoutMs));
        const tls = isRestored
          ? knownCaTls(trust.anchorsPem("management"))
          : adminServerTls({ trust, caller: "user", nowMs: () => Date.now() });
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
