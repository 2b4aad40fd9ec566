import { DomainError, type HostId, type ProcessId } from "../../src/kit/index.ts";
import type { ProcessUsage } from "../../src/domain/index.ts";
import { judge, shownBy, type Shown, type Verifier } from "./handshake.ts";
import { currentOf, type Folder, type Generation, type Presented } from "./leaf.ts";
import type { Endpoint } from "./network.ts";
import type { Life } from "./schedule.ts";
import type { Documents, TrustState } from "./trust-state.ts";
import type { World } from "./world.ts";

/** An instance's folder on its host's disk. */
export interface InstanceFiles {
  trust: TrustState | null;
  readonly management: Folder;
  readonly traffic: Folder;
}

interface Loaded {
  readonly documents: Documents;
  readonly epoch: number;
  readonly management: Generation;
  readonly traffic: Generation;
}

/** A gateway instance: it loads its files at start and when told to, and outlives its Node Manager. */
export class GatewayProcess implements Endpoint {
  readonly life: Life;
  readonly id: ProcessId;
  readonly hostId: HostId;
  /** What its listeners verify with and present; `loaded` runs ahead of it for a moment. */
  inForce: Loaded;
  #loaded: Loaded;
  readonly #world: World;
  readonly #files: InstanceFiles;
  readonly #probes = new Map<string, Presented>();

  constructor(world: World, id: ProcessId, hostId: HostId, files: InstanceFiles) {
    this.#world = world;
    this.id = id;
    this.hostId = hostId;
    this.life = { name: id, alive: true };
    this.#files = files;
    this.#loaded = this.#load();
    this.inForce = this.#loaded;
  }

  #load(): Loaded {
    const { trust, management, traffic } = this.#files;
    const now = { management: currentOf(management), traffic: currentOf(traffic) };
    if (trust === null || now.management === null || now.traffic === null)
      throw new DomainError("home-missing", `${this.id} has no files yet`);
    const copy = trust.copy();
    return {
      documents: copy.documents(),
      epoch: copy.epoch,
      management: now.management,
      traffic: now.traffic,
    };
  }

  /** Reads the files again, says so, and a moment later puts them in force. */
  async reload(): Promise<number> {
    await this.#world.schedule.step(this.life, "load files");
    this.#loaded = this.#load();
    await this.#world.schedule.sleep(this.life, "put in force", this.#world.reloadLagMs());
    this.inForce = this.#loaded;
    return this.#loaded.epoch;
  }

  get loadedEpoch(): number {
    return this.#loaded.epoch;
  }

  get verifier(): Verifier {
    const { documents } = this.inForce;
    return {
      role: "gateway",
      hostId: this.hostId,
      inForce: documents,
      known: documents.host?.processes ?? [],
    };
  }

  shown(usage: ProcessUsage, probeOf?: string): Shown | undefined {
    const presented =
      probeOf === undefined ? this.inForce[usage] : this.#probes.get(`${usage} ${probeOf}`);
    return presented && shownBy(presented, this.inForce.documents);
  }

  installProbe(usage: ProcessUsage, probe: Presented): void {
    this.#probes.set(`${usage} ${probe.authorityId}`, probe);
  }

  /** Refuses a caller that is not its own Node Manager. */
  admit(shown: Shown, probe: boolean): void {
    const question = { peerIs: "client", expected: null, probe } as const;
    const verdict = judge(this.verifier, shown, { ...question, nowMs: this.#world.clock.nowMs() });
    if (!verdict.ok)
      throw new DomainError("forbidden", verdict.text, { context: { refusal: verdict.refusal } });
  }
}
