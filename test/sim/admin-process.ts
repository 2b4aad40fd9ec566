import { DomainError, isDomainError, type HostId, type ProcessId } from "../../src/kit/index.ts";
import {
  adminProcessOf,
  credentialId,
  edgeKey,
  type EdgeProof,
  type KnownProcess,
  type ProcessObservation,
} from "../../src/domain/index.ts";
import {
  advanceRollout,
  issueProbe,
  knownCallers,
  knownNodeManager,
  publishTrust,
  recordOwnProcess,
  requireHost,
  type ControlEnvironment,
  type Leadership,
} from "../../src/control/index.ts";
import { claimTestLease } from "../support/control-environment.ts";
import { judge, shownBy, type Shown, type Verifier } from "./handshake.ts";
import { currentOf, type Generation, type Presented } from "./leaf.ts";
import type { Endpoint } from "./network.ts";
import type { Life } from "./schedule.ts";
import type { Documents, TrustState } from "./trust-state.ts";
import type { World } from "./world.ts";

const leaderTickMsMax = 200;
const leaderIdleMs = 2_000;
const followTickMs = 500;
const listenTickMs = 5_000;
const idleGraceMs = 10_000;

interface Connection {
  readonly hostId: HostId;
  readonly shown: Shown;
  /** What the chain was verified with: a request does not verify it again. */
  readonly atHandshake: Documents;
  /** The epoch of what was in force then, not of what was loaded meanwhile. */
  readonly epoch: number;
  lastUsedMs: number;
}

/**
 * The Admin Node Manager's server process and leader, as `src/admin` has it: it follows the store,
 * loads trust and identity on its own, answers Node Managers, and advances rollouts.
 */
export class AdminProcess implements Endpoint {
  readonly life: Life;
  readonly hostId: HostId;
  readonly id: ProcessId;
  readonly env: ControlEnvironment;
  readonly trust: TrustState;
  /** What its listener verifies with: loaded a moment before. */
  inForce: Documents | null = null;
  identity: Generation | null = null;
  /** By host; one that should have been closed, and lives on in a mutant, under another name. */
  readonly connections = new Map<string, Connection>();
  readonly #world: World;
  readonly #nodeManagerId: ProcessId;
  readonly #probes = new Map<string, Presented>();
  readonly #proofs = new Map<string, EdgeProof>();

  constructor(world: World, host: { id: HostId; nodeManager: { id: ProcessId } }) {
    this.#world = world;
    this.hostId = host.id;
    this.#nodeManagerId = host.nodeManager.id;
    this.id = adminProcessOf(host.nodeManager.id);
    this.life = { name: this.id, alive: true };
    this.env = world.environmentOf(this.life);
    this.trust = world.signing.newTrust();
    world.schedule.spawn(this.life, "start", () => this.#run());
  }

  async #run(): Promise<void> {
    const leadership = await claimTestLease(this.env);
    await this.#loadTrust();
    this.identity = currentOf(this.#world.diskOf(this.hostId).folder);
    this.inForce = this.trust.documents();
    this.#world.schedule.spawn(this.life, "lead", () => this.#lead(leadership));
    this.#world.schedule.spawn(this.life, "listen", () => this.#listen());
    await this.#follow();
  }

  async #lead(leadership: Leadership): Promise<void> {
    const heldSince = new Map<string, number>();
    for (;;) {
      const { commits } = this.#world;
      const open = await this.env.store.read((view) => view.rollouts.open());
      for (const { id } of open) {
        try {
          for (;;) {
            const move = await advanceRollout(this.env, leadership, id, heldSince.get(id) ?? null);
            if (move.do === "hold") heldSince.set(id, heldSince.get(id) ?? this.env.clock.nowMs());
            else heldSince.delete(id);
            this.#world.waitsFor.set(id, move.do === "wait" ? move.blockers : []);
            if (move.do !== "apply") break;
          }
        } catch (error) {
          if (!isDomainError(error)) throw error;
        }
      }
      await this.#sleep("leader tick", this.#world.rng.below(leaderTickMsMax));
      await this.#sleep("leader news", leaderIdleMs, () => this.#world.commits > commits);
    }
  }

  async #follow(): Promise<void> {
    let said = "";
    for (;;) {
      const { revision } = this.#world;
      try {
        await this.#loadTrust();
        await this.#prepareProbes();
        said = await this.#sayOwnState(said);
        await this.#refreshAdmins();
        this.#sweep();
      } catch (error) {
        if (!isDomainError(error)) throw error;
      }
      await this.#sleep("follow store", followTickMs, () => this.#world.revision > revision);
    }
  }

  /** Puts what is loaded in force, some time after it was loaded and said to be. */
  async #listen(): Promise<void> {
    const installed = (): Generation | null => currentOf(this.#world.diskOf(this.hostId).folder);
    const hasNews = (): boolean =>
      this.trust.epoch !== this.inForce?.trust.epoch || installed() !== this.identity;
    for (;;) {
      await this.#sleep("listen", listenTickMs, hasNews);
      if (!hasNews()) continue;
      await this.#sleep("put in force", this.#world.listenerLagMs());
      this.identity = installed();
      this.inForce = this.trust.documents();
    }
  }

  async #sleep(what: string, ms: number, isReady?: () => boolean): Promise<void> {
    await this.#world.schedule.sleep(this.life, what, ms, isReady);
  }

  async #loadTrust(): Promise<boolean> {
    const links = await this.env.store.read((view) => view.trust.after(this.trust.epoch, 1000));
    if (links.length === 0) return false;
    await this.#world.schedule.step(this.life, "load trust");
    return this.trust.accept(links.map((link) => link.envelope));
  }

  /** As `src/admin/own-probes.ts`. */
  async #prepareProbes(): Promise<void> {
    const anchored = new Set(
      this.trust.documents().trust.anchors.map((anchor) => anchor.authorityId),
    );
    const authorities = await this.env.store.read((view) => view.authorities.all());
    for (const { id, usage, status, certificatePem } of authorities) {
      if (usage !== "management" || status !== "next" || !anchored.has(id)) continue;
      if ((this.#probes.get(id)?.leaf.notAfterMs ?? 0) > this.env.clock.nowMs() + 60_000) continue;
      const { pem } = await this.#world.signing.newRequest();
      const { der } = await issueProbe(this.env, {
        hostId: this.hostId,
        credentialId: credentialId(this.#nodeManagerId, "management"),
        authorityId: id,
        requestPem: pem,
      });
      const leaf = this.#world.signing.leafOf({ der }, certificatePem);
      this.#probes.set(id, { leaf, authorityId: id });
    }
  }

  async #sayOwnState(said: string): Promise<string> {
    const own = { adminProcess: this.observation(), proofs: this.proofs() };
    const text = JSON.stringify(own);
    if (text !== said) await recordOwnProcess(this.env, this.hostId, own);
    return text;
  }

  async #refreshAdmins(): Promise<void> {
    const [known] = await this.env.store.read(async (view) =>
      knownNodeManager(view, await requireHost(view, this.hostId)),
    );
    const named = this.trust
      .documents()
      .trust.admins.find((admin) => admin.id === this.#nodeManagerId);
    if ((named?.keys.length ?? 0) <= (known?.keys.length ?? 0)) return;
    const entry = {
      actor: "system:leader",
      action: "trust.refresh",
      subject: this.#nodeManagerId,
      detail: {},
    };
    await this.env.store.write(entry, (tx) => publishTrust(tx, this.env, {}));
  }

  #sweep(): void {
    if (this.#world.mutant === "old-connections-live") return;
    for (const [hostId, connection] of this.connections) {
      const isIdle = this.env.clock.nowMs() - connection.lastUsedMs > idleGraceMs;
      if (connection.epoch < this.trust.closeBefore && isIdle) this.connections.delete(hostId);
    }
  }

  /** What this process would say of itself to its Node Manager. */
  observation(): ProcessObservation {
    const epochs = [...this.connections.values()].map((connection) => connection.epoch);
    const isBlind = this.#world.mutant === "old-connections-live" || epochs.length === 0;
    return {
      id: this.id,
      state: "running",
      pid: 1,
      loadedEpoch: this.trust.epoch,
      filesEpoch: this.trust.epoch,
      oldestConnectionEpoch: isBlind ? null : Math.min(...epochs),
      lastError: null,
    };
  }

  proofs(): EdgeProof[] {
    return [...this.#proofs.values()];
  }

  /** What it shows to callers, or to a probe of an authority; undefined while it cannot serve. */
  shown(probeOf?: string): Shown | undefined {
    const presented = probeOf === undefined ? this.identity : (this.#probes.get(probeOf) ?? null);
    return this.inForce === null || presented === null
      ? undefined
      : shownBy(presented, this.inForce);
  }

  verifier(known: readonly KnownProcess[]): Verifier | undefined {
    return this.inForce === null
      ? undefined
      : { role: "anm", hostId: this.hostId, inForce: this.inForce, known };
  }

  /** Admits a request of a Node Manager: over its open connection, or a new one after a full handshake. */
  async admit(hostId: HostId, shown: Shown, isNew: boolean): Promise<KnownProcess> {
    const host = await this.env.store.read(async (view) => {
      const found = await view.topology.host(hostId);
      if (found?.status === "quarantined")
        throw new DomainError("quarantined", "the host waits for approval");
      return found === undefined ? [] : knownNodeManager(view, found);
    });
    const verifier = this.verifier(host);
    if (verifier === undefined) throw new DomainError("unreachable", "the server does not serve");
    if (isNew || !this.connections.has(hostId)) {
      const before = this.connections.get(hostId);
      if (before !== undefined && this.#world.mutant === "old-connections-live")
        this.connections.set(`${hostId} from epoch ${before.epoch}`, before);
      this.connections.set(hostId, {
        hostId,
        shown,
        atHandshake: verifier.inForce,
        epoch: verifier.inForce.trust.epoch,
        lastUsedMs: this.env.clock.nowMs(),
      });
    }
    const connection = this.connections.get(hostId) as Connection;
    connection.lastUsedMs = this.env.clock.nowMs();
    const { anchors } = connection.atHandshake.trust;
    const kept = { ...verifier.inForce, trust: { ...verifier.inForce.trust, anchors } };
    const verdict = judge({ ...verifier, inForce: kept }, connection.shown, {
      peerIs: "client",
      expected: null,
      probe: false,
      nowMs: this.env.clock.nowMs(),
    });
    const isOld = connection.epoch < this.trust.closeBefore;
    if (isOld && this.#world.mutant !== "old-connections-live") this.connections.delete(hostId);
    if (verdict.ok) return verdict.process;
    this.connections.delete(hostId);
    throw new DomainError("forbidden", verdict.text, { context: { refusal: verdict.refusal } });
  }

  /** Serial of the certificate that a Node Manager showed in its connection. */
  seenSerial(hostId: HostId): string {
    return this.connections.get(hostId)?.shown.leaf.serial ?? "";
  }

  /** Answers a probe: a full handshake, judged by what is in force. Keeps its verdict as a proof. */
  async answerProbe(hostId: HostId, shown: Shown, authorityId: string): Promise<number> {
    const known = await this.env.store.read(knownCallers);
    const verifier = this.verifier(known);
    if (verifier === undefined) throw new DomainError("unreachable", "the server does not serve");
    const isResumed =
      this.#world.mutant === "resumed-sessions" && this.#world.handshakesWith(this.id).has(hostId);
    const verdict = isResumed
      ? { ok: true as const, process: known.find((process) => process.hostId === hostId) }
      : judge(verifier, shown, {
          peerIs: "client",
          expected: null,
          probe: true,
          nowMs: this.env.clock.nowMs(),
        });
    if (!verdict.ok || verdict.process === undefined)
      throw new DomainError("certificate-rejected", "the probe was not accepted");
    const proof = {
      verifier: this.id,
      presenter: verdict.process.id,
      authorityId: authorityId as EdgeProof["authorityId"],
      verifierEpoch: this.trust.epoch,
      atMs: this.env.clock.nowMs(),
    };
    this.#proofs.set(edgeKey({ ...proof, usage: "management" }, authorityId), proof);
    return this.trust.epoch;
  }
}
