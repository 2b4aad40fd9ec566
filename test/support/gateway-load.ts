import { Agent, request as httpsRequest } from "node:https";
import {
  LoadedTrust,
  ManagedRelyingParty,
  type SavedTrust,
  type ServerAddress,
} from "../../src/transport/index.ts";

/** Who calls which gateways. */
export interface LoadOrder {
  /** An Admin Node Manager, for the trust of a managed relying party. */
  readonly server: ServerAddress;
  readonly trust: SavedTrust;
  readonly token: string;
  readonly dnsName: string;
  readonly targets: readonly ServerAddress[];
  /** Between two calls over one connection, and between two connections. Absent: hardly any. */
  readonly pauseMs?: { readonly kept: number; readonly fresh: number };
}

/** What callers of one gateway saw. */
export interface LoadResult {
  requests: number;
  readonly failures: { readonly atMs: number; readonly text: string }[];
}

/** Where the gateways of a host find their upstream, on loopback. */
export const upstreamPort = 18_080;

/** To a process that calls gateways, and from it. */
export type LoadMessage = LoadOrder | "report";
export type LoadReport = readonly {
  readonly target: ServerAddress;
  readonly result: LoadResult;
}[];

/**
 * Calls gateways without a pause, over kept and over new connections, under the trust of a managed
 * relying party. Nothing is retried: every failure counts.
 */
export class GatewayLoad {
  readonly #results = new Map<ServerAddress, LoadResult>();
  readonly #party: ManagedRelyingParty;
  readonly #dnsName: string;
  readonly #pauseMs: { readonly kept: number; readonly fresh: number };
  readonly #done: Promise<unknown>;
  #isStopping = false;

  constructor({ server, trust, token, dnsName, targets, pauseMs }: LoadOrder) {
    this.#party = new ManagedRelyingParty({ server, trust: LoadedTrust.restore(trust), token });
    this.#dnsName = dnsName;
    this.#pauseMs = pauseMs ?? { kept: 10, fresh: 50 };
    for (const target of targets) this.#results.set(target, { requests: 0, failures: [] });
    this.#done = Promise.all([
      this.#stayInformed(),
      ...targets.flatMap((target) => [this.#call(target, true), this.#call(target, false)]),
    ]);
  }

  async #stayInformed(): Promise<void> {
    while (!this.#isStopping) {
      await this.#party
        .step(
          () => {},
          () => null,
        )
        .catch(() => {});
      await pause(200);
    }
  }

  async #call(target: ServerAddress, keepAlive: boolean): Promise<void> {
    let epoch = -1;
    let agent: Agent | null = null;
    while (!this.#isStopping) {
      if (agent === null || !keepAlive || epoch !== this.#party.trust.epoch) {
        agent?.destroy();
        epoch = this.#party.trust.epoch;
        agent = new Agent({
          ca: this.#party.trust.anchorsPem("traffic"),
          servername: this.#dnsName,
          keepAlive,
          maxSockets: 1,
          maxCachedSessions: 0,
        });
      }
      await this.#once(agent, target);
      await pause(keepAlive ? this.#pauseMs.kept : this.#pauseMs.fresh);
    }
    agent?.destroy();
  }

  #once(agent: Agent, target: ServerAddress): Promise<void> {
    const result = this.at(target);
    result.requests += 1;
    return new Promise((resolve) => {
      const fail = ({ message }: Error): void => {
        if (!this.#isStopping) result.failures.push({ atMs: Date.now(), text: message });
        resolve();
      };
      const { address: host, port } = target;
      const headers = { host: this.#dnsName };
      const request = httpsRequest({ agent, host, port, headers, timeout: 10_000 }, (response) => {
        response.resume();
        response.once("error", fail);
        response.once("end", () =>
          response.statusCode === 200
            ? resolve()
            : fail(new Error(`status ${response.statusCode}`)),
        );
      });
      request.once("timeout", () => request.destroy(new Error("no answer in time")));
      request.once("error", fail);
      request.end();
    });
  }

  /** What was seen at a target so far. */
  at(target: ServerAddress): LoadResult {
    for (const [{ address, port }, result] of this.#results)
      if (address === target.address && port === target.port) return result;
    return { requests: 0, failures: [] };
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
    this.#party.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
