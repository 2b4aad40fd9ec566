import { onEnd } from "./cleanup.ts";
import { GatewayLoad, type LoadResult } from "./gateway-load.ts";
import type { LiveDomain } from "./live-domain.ts";

const address = "127.0.0.1";

/** Load on gateways of a live domain on this machine, until it is stopped or the test ends. */
export class LiveLoad {
  readonly #load: GatewayLoad;

  private constructor(load: GatewayLoad) {
    this.#load = load;
  }

  static async start(
    domain: LiveDomain,
    ports: readonly number[],
    dnsName = "service.test",
    name = "load",
  ): Promise<LiveLoad> {
    const { token } = await domain.call("createRelyingParty", { body: { name } });
    const targets = ports.map((port) => ({ address, port }));
    const { admin: server, trust } = domain;
    const load = new LiveLoad(new GatewayLoad({ server, trust, token, dnsName, targets }));
    onEnd(() => load.stop());
    return load;
  }

  /** What was seen at a port so far. */
  at(port: number): LoadResult {
    return this.#load.at({ address, port });
  }

  stop(): Promise<void> {
    return this.#load.stop();
  }
}
