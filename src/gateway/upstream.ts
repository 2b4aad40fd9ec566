import { request } from "node:http";
import { connect } from "node:net";
import {
  nextHealth,
  unknownHealth,
  type HealthEvent,
  type UpstreamHealth,
} from "./upstream-choice.ts";

/** Between checks of a healthy upstream; one that is out is asked more often, to be back soon. */
const checkIntervalMs = 2_000;
const recoveryIntervalMs = 500;
const checkTimeoutMs = 2_000;

/** One server behind a route: where it is, and whether it is well. */
export class Upstream {
  readonly origin: string;
  /** `host:port`, as the Host header has it. */
  readonly host: string;
  readonly hostname: string;
  readonly port: number;
  readonly #healthPath: string | null;
  readonly #onChange: (upstream: Upstream) => void;
  #health: UpstreamHealth = unknownHealth;
  #timer: NodeJS.Timeout | undefined;
  #watched = false;

  /** `origin`: `http://host:port`. `onChange` is told when it becomes healthy or stops being so. */
  constructor(origin: string, healthPath: string | null, onChange: (upstream: Upstream) => void) {
    const url = new URL(origin);
    this.origin = origin;
    this.host = url.host;
    this.hostname = url.hostname.replace(/^\[|\]$/g, "");
    this.port = url.port === "" ? 80 : Number(url.port);
    this.#healthPath = healthPath;
    this.#onChange = onChange;
  }

  get healthy(): boolean {
    return this.#health.healthy;
  }

  note(event: HealthEvent): void {
    const before = this.#health.healthy;
    this.#health = nextHealth(this.#health, event);
    if (before === this.#health.healthy) return;
    this.#onChange(this);
    if (!this.#health.healthy && this.#watched) this.#checkIn(recoveryIntervalMs);
  }

  /** Begins to check it, at once and then again and again, until `unwatch`. */
  watch(): void {
    this.#watched = true;
    this.#checkIn(0);
  }

  unwatch(): void {
    this.#watched = false;
    clearTimeout(this.#timer);
  }

  #checkIn(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#check(), delayMs).unref();
  }

  async #check(): Promise<void> {
    const passed = await (this.#healthPath === null
      ? acceptsConnection(this.hostname, this.port)
      : answersWell(this, this.#healthPath));
    if (!this.#watched) return;
    this.note(passed ? "check-passed" : "check-failed");
    this.#checkIn(this.healthy ? checkIntervalMs : recoveryIntervalMs);
  }
}

function acceptsConnection(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: checkTimeoutMs });
    const end = (passed: boolean): void => {
      socket.destroy();
      resolve(passed);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

function answersWell(upstream: Upstream, path: string): Promise<boolean> {
  const { hostname, port, host } = upstream;
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(checkTimeoutMs);
    const check = request({ agent: false, host: hostname, port, path, signal, headers: { host } });
    check.once("response", (answer) => {
      const status = answer.statusCode ?? 0;
      answer.on("error", () => undefined).resume();
      resolve(status >= 200 && status < 300);
      check.destroy();
    });
    check.on("error", () => resolve(false));
    check.end();
  });
}
