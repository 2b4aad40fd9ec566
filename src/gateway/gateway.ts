import type { InstanceStatus } from "../contract/index.ts";
import type { ProcessUsage } from "../domain/index.ts";
import { KeyProtection, type Passphrases } from "../keys/index.ts";
import { describeError, DomainError } from "../kit/index.ts";
import { ConnectionEpochs, type ListenerState } from "../transport/index.ts";
import { defaultDrainTimes, drain, type DrainTimes } from "./drain.ts";
import { defaultLimits, type ForwardLimits } from "./forward.ts";
import type { GatewayLog } from "./gateway-log.ts";
import { loadState, type LoadedCredential, type LoadedState } from "./loaded-state.ts";
import {
  ManagementPort,
  type ManagementHandlers,
  type ManagementPages,
} from "./management-port.ts";
import { Metrics } from "./metrics.ts";
import { ProbeKeys } from "./probe-keys.ts";
import { loggedError } from "./problem.ts";
import { Routing } from "./routing.ts";
import { refuseSecondStart, removeRunRecord, writeRunRecord } from "./run-record.ts";
import { TrafficPort } from "./traffic-port.ts";

export interface GatewayOptions {
  /** The instance's folder. */
  readonly home: string;
  /** What opens its keys; absent: they are not encrypted. */
  readonly passphrases?: Passphrases | null;
  readonly log: GatewayLog;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** Address that the services port listens on; every address where it is absent. */
  readonly servicesAddress?: string;
  readonly limits?: ForwardLimits;
  readonly drainTimes?: DrainTimes;
}

const sweepIntervalMs = 1_000;

/** A running gateway instance. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #keys: KeyProtection;
  readonly #startedAtMs: number;
  readonly #epochs: Readonly<Record<ProcessUsage, ConnectionEpochs>>;
  readonly #probes = new ProbeKeys();
  readonly #routing: Routing;
  readonly #metrics: Metrics;
  readonly #management: ManagementPort;
  /** Null until there is a traffic credential to show. */
  #traffic: TrafficPort | null = null;
  #state: LoadedState;
  #reloading: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | null = null;
  #sweeper: NodeJS.Timeout | undefined;
  #resolveEnded: () => void = () => undefined;
  /** Resolves when the instance was stopped, by its Node Manager or by `stop`. */
  readonly ended: Promise<void>;

  /**
   * Reads the folder, opens both ports and says so in `run/instance.json`. Throws `home-locked`,
   * `port-in-use`, or what `loadState` throws; nothing is left open then.
   */
  static async start(options: GatewayOptions): Promise<Gateway> {
    await refuseSecondStart(options.home);
    const { current = null, former = [] } = options.passphrases ?? {};
    const keys = new KeyProtection(current, former);
    const gateway = new Gateway(options, await loadState(options.home, null, keys), keys);
    try {
      await gateway.#open();
    } catch (error) {
      gateway.#close();
      throw error;
    }
    return gateway;
  }

  private constructor(options: GatewayOptions, state: LoadedState, keys: KeyProtection) {
    const { log, nowMs, monotonicMs } = options;
    this.#keys = keys;
    this.#options = options;
    this.#state = state;
    this.#startedAtMs = nowMs();
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    this.#epochs = {
      management: new ConnectionEpochs(monotonicMs),
      traffic: new ConnectionEpochs(monotonicMs),
    };
    this.#routing = new Routing(({ origin, healthy }) =>
      log.warn({ upstream: origin, healthy }, `an upstream is ${healthy ? "back" : "out"}`),
    );
    this.#metrics = new Metrics({
      nowMs,
      state: () => this.#state,
      openConnections: () => ({
        traffic: this.#epochs.traffic.count,
        management: this.#epochs.management.count,
      }),
      upstreams: () => this.#routing.upstreams,
    });
    this.#management = new ManagementPort({
      instanceId: state.settings.id,
      self: { role: "gateway", hostId: state.settings.hostId },
      state: () => this.#listenerState("management", this.#state.management),
      epochs: this.#epochs.management,
      handlers: this.#handlers(),
      pages: this.#pages(),
      isDraining: () => this.#isDraining,
      nowMs,
      log,
    });
  }

  async #open(): Promise<void> {
    const { settings, trust } = this.#state;
    this.#routing.update(settings.configuration.routes);
    this.#closeBefore();
    await this.#management.listen(settings.managementPort);
    await this.#openTraffic();
    await writeRunRecord(this.#options.home, settings.managementPort);
    this.#sweeper = setInterval(() => {
      for (const epochs of Object.values(this.#epochs)) epochs.sweep();
    }, sweepIntervalMs).unref();
    const { managementPort, servicesPort } = settings;
    this.#options.log.info(
      { instance: settings.id, epoch: trust.epoch, managementPort, servicesPort },
      "the instance serves",
    );
  }

  async #openTraffic(): Promise<void> {
    if (this.#traffic !== null || this.#state.traffic === null) return;
    const { servicesAddress, limits = defaultLimits, monotonicMs } = this.#options;
    const port = new TrafficPort({
      instanceId: this.#state.settings.id,
      state: () => this.#listenerState("traffic", this.#state.traffic),
      routing: this.#routing,
      epochs: this.#epochs.traffic,
      limits,
      isDraining: () => this.#isDraining,
      onAnswered: (status) => this.#metrics.countRequest(status),
      monotonicMs,
    });
    await port.listen(this.#state.settings.servicesPort, servicesAddress);
    this.#traffic = port;
  }

  #listenerState(usage: ProcessUsage, credential: LoadedCredential | null): ListenerState {
    if (credential === null)
      throw new DomainError("conflict", `there is no ${usage} credential yet`);
    const probes = this.#probes.contexts[usage];
    return { identity: credential.identity, trust: this.#state.trust, probes };
  }

  get #isDraining(): boolean {
    return this.#stopping !== null;
  }

  /** What the instance says of itself. */
  status(): InstanceStatus {
    const { settings, trust, management, traffic } = this.#state;
    const oldest = Object.values(this.#epochs).flatMap((epochs) => epochs.oldest() ?? []);
    return {
      id: settings.id,
      pid: process.pid,
      startedAtMs: this.#startedAtMs,
      loadedEpoch: trust.epoch,
      oldestConnectionEpoch: oldest.length === 0 ? null : Math.min(...oldest),
      management: presented(management),
      traffic: traffic && presented(traffic),
      draining: this.#isDraining,
      openRequests: this.#traffic?.openRequests ?? 0,
    };
  }

  /**
   * Reads all files again and puts them in force for new connections; connections that rest on
   * trust that was taken away are announced their end. On an error everything stays as it was.
   */
  reload(): Promise<InstanceStatus> {
    const done = this.#reloading.then(() => this.#reloadNow());
    this.#reloading = done.catch(() => undefined);
    return done;
  }

  async #reloadNow(): Promise<InstanceStatus> {
    const { log, home } = this.#options;
    try {
      const next = await loadState(home, this.#state, this.#keys);
      this.#state = { ...next, traffic: next.traffic ?? this.#state.traffic };
    } catch (error) {
      log.error(loggedError(error), "nothing was loaded: the last good state stays in force");
      throw error;
    }
    this.#routing.update(this.#state.settings.configuration.routes);
    this.#closeBefore();
    this.#management.reload();
    this.#traffic?.reload();
    await this.#openTraffic();
    const status = this.status();
    log.info(
      {
        epoch: status.loadedEpoch,
        management: status.management.serial,
        traffic: status.traffic?.serial,
      },
      "loaded again",
    );
    return status;
  }

  #closeBefore(): void {
    for (const epochs of Object.values(this.#epochs))
      epochs.closeBefore(this.#state.trust.closeBefore);
  }

  /** Drains, closes everything and removes the run record. Resolves when that is done. */
  stop(): Promise<void> {
    this.#stopping ??= this.#drainAndClose();
    return this.#stopping;
  }

  async #drainAndClose(): Promise<void> {
    const { log, home, monotonicMs, drainTimes = defaultDrainTimes } = this.#options;
    log.info("draining");
    const traffic = this.#traffic;
    if (traffic !== null) {
      const epochs = this.#epochs.traffic;
      const port = {
        get openRequests() {
          return traffic.openRequests;
        },
        get openConnections() {
          return epochs.count;
        },
        get lastRequestMs() {
          return traffic.lastRequestMs;
        },
        stopListening: () => traffic.stopListening(),
      };
      await drain(port, drainTimes, monotonicMs);
    }
    this.#close();
    await removeRunRecord(home).catch((error: unknown) =>
      log.warn({ reason: describeError(error) }, "the run record stays"),
    );
    log.info({ cutOff: traffic?.openRequests ?? 0 }, "ended");
    this.#resolveEnded();
  }

  #close(): void {
    clearInterval(this.#sweeper);
    this.#routing.stop();
    this.#traffic?.close();
    this.#management.close();
  }

  #handlers(): ManagementHandlers {
    return {
      getStatus: () => this.status(),
      reload: ({ passphrases }: { passphrases?: Passphrases }) => {
        if (passphrases !== undefined) this.#keys.take(passphrases);
        return this.reload();
      },
      requestProbes: async (body: { authorityId: string; usages: ProcessUsage[] }) => ({
        requests: await this.#probes.request(body.authorityId, body.usages, this.#state),
      }),
      installProbes: (body: {
        authorityId: string;
        certificates: { usage: ProcessUsage; certificatePem: string }[];
      }) => this.#probes.install(body.authorityId, body.certificates, this.#options.nowMs()),
      stop: () => void this.stop(),
    };
  }

  #pages(): ManagementPages {
    const json = (status: number, value: unknown) =>
      Promise.resolve({ status, type: "application/json", text: JSON.stringify(value) });
    return {
      "/health": () => json(200, { status: "ok" }),
      "/ready": () => {
        const ready = this.#traffic !== null && !this.#isDraining;
        return json(ready ? 200 : 503, { ready, draining: this.#isDraining });
      },
      "/metrics": async () => ({
        status: 200,
        type: this.#metrics.contentType,
        text: await this.#metrics.text(),
      }),
    };
  }
}

function presented({
  identity,
  sequence,
  certificate,
}: LoadedCredential): InstanceStatus["management"] {
  const { serial, authorityId } = identity;
  return {
    serial,
    sequence,
    authorityId: authorityId as never,
    notAfterMs: certificate.notAfterMs,
  };
}
