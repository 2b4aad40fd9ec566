import { Counter, Gauge, Registry } from "prom-client";
import type { LoadedState } from "./loaded-state.ts";
import type { Upstream } from "./upstream.ts";

/** Where the figures come from that are read when they are asked for. */
export interface MetricSources {
  readonly state: () => LoadedState;
  readonly nowMs: () => number;
  readonly openConnections: () => Readonly<Record<"traffic" | "management", number>>;
  readonly upstreams: () => readonly Upstream[];
}

const dayMs = 86_400_000;

/** What an instance counts of itself, in the text format of Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"code">;

  constructor(sources: MetricSources) {
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: "gatehouse_requests_total",
      help: "Requests on the services port, by status code",
      labelNames: ["code"] as const,
      registers,
    });
    new Gauge({
      name: "gatehouse_credential_days_left",
      help: "Days until the presented certificate ends",
      labelNames: ["usage"] as const,
      registers,
      collect() {
        const { management, traffic } = sources.state();
        for (const [usage, credential] of Object.entries({ management, traffic })) {
          if (credential === null) continue;
          this.set({ usage }, (credential.certificate.notAfterMs - sources.nowMs()) / dayMs);
        }
      },
    });
    new Gauge({
      name: "gatehouse_trust_epoch",
      help: "Epoch of the loaded trust document",
      registers,
      collect() {
        this.set(sources.state().trust.epoch);
      },
    });
    new Gauge({
      name: "gatehouse_open_connections",
      help: "Open connections, by port",
      labelNames: ["port"] as const,
      registers,
      collect() {
        for (const [port, count] of Object.entries(sources.openConnections())) {
          this.set({ port }, count);
        }
      },
    });
    new Gauge({
      name: "gatehouse_upstream_healthy",
      help: "1 if requests are sent to the upstream, 0 if it is passed over",
      labelNames: ["upstream"] as const,
      registers,
      collect() {
        this.reset();
        for (const { origin, healthy } of sources.upstreams()) {
          this.set({ upstream: origin }, healthy ? 1 : 0);
        }
      },
    });
  }

  countRequest(status: number): void {
    this.#requests.inc({ code: String(status) });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
