import { Agent, request as httpsRequest } from "node:https";
import { onTestFinished } from "vitest";
import { LoadedTrust, ManagedRelyingParty } from "../../src/transport/index.ts";
import type { LiveDomain } from "./live-domain.ts";

/** What callers of the gateways saw. */
export interface LoadResult {
  requests: number;
  readonly failures: string[];
}

/**
 * Calls gateways without a pause, over kept and over new connections, under the trust of a managed
 * relying party. Nothing is retried: every failure counts.
 */
export class LiveLoad {
  readonly #results = new Map<number, LoadResult>();
  readonly #party: ManagedRelyingParty;
  #isStopping = false;
  #done: Promise<unknown> = Promise.resolve();

  private constructor(party: ManagedRelyingParty) {
    this.#party = party;
  }

  static async start(
    domain: LiveDomain,
    ports: readonly number[],
    dnsName = "service.test",
    name = "load",
  ): Promise<LiveLoad> {
    const { token } = await domain.call("createRelyingParty", { body: { name } });
    const party = new ManagedRelyingParty({
      server: { address: "127.0.0.1", port: domain.adminPort },
      trust: LoadedTrust.restore(domain.trust),
      token,
    });
    const load = new LiveLoad(party);
    for (const port of ports) load.#results.set(port, { requests: 0, failures: [] });
    load.#done = Promise.all([
      load.#stayInformed(),
      ...ports.flatMap((port) => [
        load.#call(port, dnsName, true),
        load.#call(port, dnsName, false),
      ]),
    ]);
    onTestFinished(() => load.stop());
    return load;
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

  async #call(port: number, servername: string, keepAlive: boolean): Promise<void> {
    let epoch = -1;
    let agent: Agent | null = null;
    while (!this.#isStopping) {
      if (agent === null || !keepAlive || epoch !== this.#party.trust.epoch) {
        agent?.destroy();
        epoch = this.#party.trust.epoch;
        agent = new Agent({
          ca: this.#party.trust.anchorsPem("traffic"),
          servername,
          keepAlive,
          maxSockets: 1,
          maxCachedSessions: 0,
        });
      }
      await this.#once(agent, port, servername);
      await pause(keepAlive ? 10 : 50);
    }
    agent?.destroy();
  }

  #once(agent: Agent, port: number, host: string): Promise<void> {
    const result = this.#results.get(port);
    if (result === undefined) return Promise.resolve();
    result.requests += 1;
    return new Promise((resolve) => {
      const fail = (error: Error): void => {
        if (!this.#isStopping) result.failures.push(`${new Date().toISOString()} ${error.message}`);
        resolve();
      };
      const request = httpsRequest(
        { agent, host: "127.0.0.1", port, headers: { host }, timeout: 10_000 },
        (response) => {
          response.resume();
          response.once("error", fail);
          response.once("end", () =>
            response.statusCode === 200
              ? resolve()
              : fail(new Error(`status ${response.statusCode}`)),
          );
        },
      );
      request.once("timeout", () => request.destroy(new Error("no answer in time")));
      request.once("error", fail);
      request.end();
    });
  }

  /** What was seen at a port so far. */
  at(port: number): LoadResult {
    return this.#results.get(port) ?? { requests: 0, failures: [] };
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
