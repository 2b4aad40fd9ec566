import type { Logger } from "pino";
import { DomainError, type CredentialId, type HostId, type ProcessId } from "../kit/index.ts";
import {
  adminProcessOf,
  credentialId,
  edgeKey,
  type EdgeProof,
  type Finding,
  type HomeLayout,
  type NodeSettings,
  type PeerVerdict,
  type ProcessObservation,
} from "../domain/index.ts";
import type { LeaseCandidate } from "../control/index.ts";
import { KeyProtection, readCurrent } from "../keys/index.ts";
import {
  ConnectionEpochs,
  LoadedTrust,
  ProbeContexts,
  readIdentity,
  type Identity,
  type ListenerState,
} from "../transport/index.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { AdminPeers } from "./admin-peers.ts";
import { AdminReports } from "./admin-reports.ts";
import type { HomeEnvironment } from "./environment.ts";
import { Presence } from "./presence.ts";
import { RenewalGate } from "./renewal-gate.ts";
import { StrayTrust } from "./stray-trust.ts";

/** Everything that a running Admin Node Manager holds in memory. */
export class AdminState implements ListenerState {
  readonly env: HomeEnvironment;
  readonly layout: HomeLayout;
  readonly settings: NodeSettings;
  readonly candidate: LeaseCandidate;
  readonly log: Logger;
  readonly trust: LoadedTrust;
  /** What opens the Node Manager's key, which this process presents too. */
  readonly keys: KeyProtection;
  readonly probes = new ProbeContexts();
  readonly presence = new Presence();
  readonly strays = new StrayTrust();
  /** What is read through this is read in the store. */
  readonly cutOff = null;
  readonly peers = new AdminPeers(this);
  readonly reports = new AdminReports();
  readonly epochs: ConnectionEpochs;
  readonly renewals: RenewalGate;
  readonly #proofs = new Map<string, EdgeProof>();
  #identity: Identity | null = null;
  #authorityFolder: AuthorityFolder | null = null;
  #refreshing: Promise<void> = Promise.resolve();

  constructor(of: {
    env: HomeEnvironment;
    layout: HomeLayout;
    settings: NodeSettings;
    candidate: LeaseCandidate;
    log: Logger;
    keys?: KeyProtection;
  }) {
    this.keys = of.keys ?? new KeyProtection();
    this.env = of.env;
    this.layout = of.layout;
    this.settings = of.settings;
    this.candidate = of.candidate;
    this.log = of.log;
    this.trust = new LoadedTrust(of.settings.trustKeyId);
    of.env.authorityKeys.relay = (job, why) => this.peers.issueLeaf(job, why);
    this.renewals = new RenewalGate(of.env.policy, of.env.clock);
    this.epochs = new ConnectionEpochs(() => of.env.clock.monotonicMs());
  }

  get hostId(): HostId {
    return this.settings.hostId as HostId;
  }

  get nodeManagerId(): ProcessId {
    return this.settings.nodeManagerId as ProcessId;
  }

  /** This server process, as gates count it. */
  get processId(): ProcessId {
    return adminProcessOf(this.nodeManagerId);
  }

  get credentialId(): CredentialId {
    return credentialId(this.nodeManagerId, "management");
  }

  get identity(): Identity {
    if (this.#identity === null)
      throw new DomainError(
        "home-missing",
        `${this.layout.nodeCredential} holds no certificate: initialize the domain first`,
      );
    return this.#identity;
  }

  /** The documented folder of the domain's CA. */
  get authorityFolder(): AuthorityFolder {
    this.#authorityFolder ??= new AuthorityFolder(this);
    return this.#authorityFolder;
  }

  /** What its verification last found. */
  auditFindings: readonly Finding[] = [];

  /** Called after the trust or the identity that this process presents has changed. */
  onChange: () => void = () => {};

  /**
   * Loads new trust links. Also before trust is handed out: a host that loads an epoch connects
   * again at once, and that connection must be made, and counted, under the new epoch.
   */
  refreshTrust(): Promise<void> {
    // One after the other, so that nobody goes on before the listener shows what was loaded.
    const refreshed = this.#refreshing.then(async () => {
      if (await this.#loadTrust()) this.onChange();
    });
    this.#refreshing = refreshed.catch(() => undefined);
    return refreshed;
  }

  /** Loads the certificate that the host's Node Manager presents now. */
  async refreshIdentity(): Promise<void> {
    if (await this.#loadIdentity()) this.onChange();
  }

  async #loadTrust(): Promise<boolean> {
    const links = await this.env.store.read((view) => view.trust.after(this.trust.epoch, 100_000));
    const changed = this.trust.accept(links.map((link) => link.envelope));
    if (changed) this.epochs.closeBefore(this.trust.closeBefore);
    return changed;
  }

  async #loadIdentity(): Promise<boolean> {
    const generation = await readCurrent(this.layout.nodeCredential);
    if (generation === null || generation.meta["serial"] === this.#identity?.serial) return false;
    this.#identity = await readIdentity(this.layout.nodeCredential, this.keys);
    return true;
  }

  /** Keeps the verdict on a probe of this process's loaded trust, if it accepted. */
  recordProof(verdict: PeerVerdict | null, authorityId: string): void {
    if (verdict?.ok !== true) return;
    const proof: EdgeProof = {
      verifier: this.processId,
      presenter: verdict.process.id,
      authorityId: authorityId as EdgeProof["authorityId"],
      verifierEpoch: this.trust.epoch,
      atMs: this.env.clock.nowMs(),
    };
    this.#proofs.set(edgeKey({ ...proof, usage: "management" }, authorityId), proof);
  }

  proofs(): EdgeProof[] {
    return [...this.#proofs.values()];
  }

  /** What this process would say of itself to its Node Manager. */
  observation(): ProcessObservation {
    return {
      id: this.processId,
      state: "running",
      pid: process.pid,
      loadedEpoch: this.trust.epoch,
      filesEpoch: this.trust.epoch,
      oldestConnectionEpoch: this.epochs.oldest(),
      lastError: null,
    };
  }
}
