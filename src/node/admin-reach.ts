import { describeError } from "../kit/index.ts";
import type { Dial, KnownProcess } from "../domain/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  type ServerAddress,
} from "../transport/index.ts";
import { DialledPool } from "./dialled-pool.ts";
import type { NodeState } from "./node-state.ts";

const tryMsMax = 5_000;
const tryAgainMs = 5_000;

/**
 * How this host comes to a connection with an Admin Node Manager: it dials, or takes one that the
 * other side has dialled. It changes over only after an Admin Node Manager has proven itself over
 * the other way, so that a wish that cannot be granted does not cut the host off.
 */
export class AdminReach {
  readonly pool: DialledPool;
  readonly #state: NodeState;
  readonly #tryAgainMs: number;
  #dial: Dial;
  #nextTryAtMs = 0;

  constructor(state: NodeState, of: { readonly tryAgainMs?: number } = {}) {
    this.#state = state;
    this.#tryAgainMs = of.tryAgainMs ?? tryAgainMs;
    this.#dial = state.settings.dial ?? "nm";
    this.pool = new DialledPool((id) =>
      state.trust.document.admins.some((admin) => admin.id === id),
    );
  }

  /** Who dials now. */
  get dial(): Dial {
    return this.#dial;
  }

  /** Where an Admin Node Manager is called. */
  serverOf(admin: KnownProcess): ServerAddress {
    return this.#serverBy(this.#dial, admin);
  }

  #serverBy(dial: Dial, admin: KnownProcess): ServerAddress {
    const { id, port } = admin;
    // The one on this very host is called over loopback: its address may lead outside.
    const address = admin.hostId === this.#state.hostId ? "127.0.0.1" : admin.address;
    return dial === "nm" ? { address, port } : { address, port, dialled: this.pool.of(id) };
  }

  /** Changes over to the way that is desired, if that works; call it again and again. */
  async follow(): Promise<void> {
    const wanted = this.#state.desired?.dial ?? this.#dial;
    if (wanted === this.#dial || performance.now() < this.#nextTryAtMs) return;
    this.#nextTryAtMs = Infinity;
    const { log } = this.#state;
    try {
      await Promise.any(
        this.#state.trust.document.admins.map((admin) => this.#tryOut(wanted, admin)),
      );
      await this.#state.changeSettings({ dial: wanted });
      this.#dial = wanted;
      log.info({ dial: wanted }, "changed who dials");
    } catch (error) {
      log.warn({ dial: wanted, error: describeError(error) }, "who dials cannot be changed yet");
    } finally {
      this.#nextTryAtMs = performance.now() + this.#tryAgainMs;
    }
  }

  /** Resolves if an Admin Node Manager proves itself over this way. */
  async #tryOut(dial: Dial, admin: KnownProcess): Promise<void> {
    const { trust } = this.#state;
    const caller = new ApiCaller(
      { ...this.#serverBy(dial, admin), prefix: apiPrefix },
      adminServerTls({ trust, caller: "returning-host", nowMs: () => Date.now() }),
    );
    try {
      await callApi(caller, "getTrust", { query: { after: trust.epoch }, timeoutMs: tryMsMax });
    } finally {
      caller.close();
    }
  }
}
