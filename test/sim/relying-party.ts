import { isDomainError, type ProcessId, type RelyingPartyId } from "../../src/kit/index.ts";
import { edgeKey, type EdgeProof } from "../../src/domain/index.ts";
import { recordRelyingParty } from "../../src/control/index.ts";
import type { Shown } from "./handshake.ts";
import type { Endpoint } from "./network.ts";
import type { Life } from "./schedule.ts";
import type { Documents, TrustState } from "./trust-state.ts";
import type { World } from "./world.ts";

const lookEveryMs = 2_000;
const heartbeatMs = 5_000;

/** A managed relying party: it reads the trust chain, probes the listeners, and reports. */
export class RelyingPartyProcess implements Endpoint {
  readonly life: Life;
  readonly hostId = null;
  readonly id: RelyingPartyId;
  /** What it verifies with now; null before it has read anything. */
  inForce: Documents | null = null;
  readonly #world: World;
  readonly #trust: TrustState;
  readonly #proofs = new Map<string, EdgeProof>();
  /** Open connections with the epoch of their handshake. */
  readonly connections = new Map<ProcessId, { readonly shown: Shown; readonly epoch: number }>();

  constructor(world: World, id: RelyingPartyId) {
    this.#world = world;
    this.id = id;
    this.life = { name: id, alive: true };
    this.#trust = world.signing.newTrust();
    world.schedule.spawn(this.life, "start", () => this.#run());
  }

  async #run(): Promise<void> {
    let sent = "";
    let sentAtMs = -Infinity;
    for (;;) {
      const { revision } = this.#world;
      try {
        await this.#loadTrust();
        await this.#connect();
        await this.#probe();
        const report = this.#report();
        const text = JSON.stringify(report);
        const { clock } = this.#world;
        if (text !== sent || clock.nowMs() - sentAtMs > heartbeatMs) {
          const { admin } = this.#world;
          await this.#world.network.call(this, admin, "reportRelyingParty", () =>
            recordRelyingParty(admin.env, this.id, report),
          );
          sent = text;
          sentAtMs = clock.nowMs();
        }
      } catch (error) {
        if (!isDomainError(error)) throw error;
      }
      const hasNews = (): boolean => this.#world.revision > revision;
      await this.#world.schedule.sleep(this.life, "pause", lookEveryMs, hasNews);
    }
  }

  async #loadTrust(): Promise<void> {
    const { admin } = this.#world;
    const { epoch } = this.#trust;
    const links = await this.#world.network.call(this, admin, "getTrust", () =>
      admin.env.store.read((view) => view.trust.after(epoch, 1000)),
    );
    const changed = this.#trust.accept(links.map((link) => link.envelope));
    if (!changed && this.inForce !== null) return;
    await this.#world.schedule.sleep(this.life, "put in force", this.#world.listenerLagMs());
    this.inForce = this.#trust.documents();
    for (const [id, { epoch: from }] of this.connections)
      if (from < this.#trust.closeBefore) this.connections.delete(id);
  }

  async #connect(): Promise<void> {
    for (const gateway of this.#world.gateways.values()) {
      await this.#world.schedule.step(this.life, `connect to ${gateway.id}`);
      const shown = gateway.shown("traffic");
      if (!gateway.life.alive || this.inForce === null || shown === undefined) continue;
      if (this.connections.has(gateway.id)) continue;
      if (this.#world.accepts(this.inForce, shown, "traffic"))
        this.connections.set(gateway.id, { shown, epoch: this.inForce.trust.epoch });
    }
    for (const id of this.connections.keys())
      if (!this.#world.gateways.has(id)) this.connections.delete(id);
  }

  async #probe(): Promise<void> {
    const authorities = await this.#world.store.read((view) => view.authorities.all());
    const next = authorities.filter(
      ({ usage, status }) => usage === "traffic" && status === "next",
    );
    for (const { id: authorityId } of next) {
      for (const gateway of this.#world.gateways.values()) {
        const edge = { verifier: this.id, presenter: gateway.id, usage: "traffic" } as const;
        const key = edgeKey(edge, authorityId);
        if ((this.#proofs.get(key)?.verifierEpoch ?? 0) >= this.#trust.epoch) continue;
        await this.#world.network.call(this, gateway, `probe ${gateway.id}`, async () => {
          const shown = gateway.shown("traffic", authorityId);
          if (shown === undefined || this.inForce === null) return;
          if (!this.#world.accepts(this.inForce, shown, "traffic")) return;
          const verifierEpoch = this.#trust.epoch;
          this.#proofs.set(key, { ...edge, authorityId, verifierEpoch, atMs: 0 });
        });
      }
    }
  }

  #report(): Parameters<typeof recordRelyingParty>[2] {
    const epochs = [...this.connections.values()].map((connection) => connection.epoch);
    return {
      loadedEpoch: this.#trust.epoch,
      oldestConnectionEpoch: epochs.length === 0 ? null : Math.min(...epochs),
      proofs: [...this.#proofs.values()].map(({ presenter, authorityId, verifierEpoch }) => ({
        presenter,
        authorityId,
        verifierEpoch,
      })),
    };
  }
}
