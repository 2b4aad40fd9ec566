import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import type { Logger } from "pino";
import {
  DomainError,
  type AuthorityId,
  type CredentialId,
  type HostId,
  type ProcessId,
} from "../kit/index.ts";
import {
  credentialId,
  edgeKey,
  homeLayout,
  type EdgeProof,
  type Envelope,
  type HomeLayout,
  type KnownProcess,
  type NodeSettings,
  type Role,
} from "../domain/index.ts";
import type { DesiredState } from "../contract/index.ts";
import { ensureFolder, KeyProtection, writeFileAtomic, type Passphrases } from "../keys/index.ts";
import {
  LoadedTrust,
  ProbeContexts,
  readIdentity,
  readNodeSettings,
  readStateFile,
  type Identity,
  type SavedTrust,
  type Self,
} from "../transport/index.ts";
import { openEntityStore } from "./entity-store.ts";
import { PendingKeys } from "./pending-keys.ts";
import { GroupPassphrases } from "./group-passphrases.ts";
import { AdminReach } from "./admin-reach.ts";

/** How one credential is doing, for the report. */
export interface CredentialHealth {
  failedRenewals: number;
  lastError: string | null;
  /** Not before this (monotonic) is the next try after a failure. */
  retryAtMs: number;
  seenOnWire: { serial: string; by: ProcessId; atMs: number } | null;
  /** From this on the desired state knows of the last request to be signed elsewhere. */
  requestedAtRevision: number;
}

/** Everything that a running Node Manager holds in memory. */
export class NodeState {
  readonly layout: HomeLayout;
  #settings: NodeSettings;
  readonly log: Logger;
  readonly trust: LoadedTrust;
  /** Of the Node Manager's own keys. */
  readonly keys: KeyProtection;
  /** Of the keys of its instances. */
  readonly groups: GroupPassphrases;
  /** Of keys that wait for a certificate. */
  readonly pendingKeys: PendingKeys;
  readonly probes = new ProbeContexts();
  readonly reach: AdminReach;
  /** Random per start: tells a restart from a copy of the home folder. */
  readonly bootId = randomBytes(12).toString("hex");
  readonly proofs = new Map<string, EdgeProof>();
  /** What the host is brought to: one look at it goes by the same from its beginning to its end. */
  desired: DesiredState | null = null;
  /** The newest answer since the start; in force with the next look. */
  received: DesiredState | null = null;
  /** Not before this (monotonic) does the host renew anything: an Admin Node Manager has asked for it. */
  renewAgainAtMs = 0;
  /** True while a new key of this Admin Node Manager waits to be known to its peers. */
  awaitsPresentation = false;
  /** True while the newest answer of an Admin Node Manager is not older than its last failure. */
  isConnected = false;
  /** Why none takes this host, where they answer at all. */
  refusal: string | null = null;
  /** The Admin Node Manager that answered last. */
  admin: KnownProcess | null = null;
  readonly #health = new Map<CredentialId, CredentialHealth>();
  #identity: Identity | null = null;
  #wake: () => void = () => {};
  /** One after the other, so that no file is written over a newer one. */
  #accepting: Promise<unknown> = Promise.resolve();
  #installing: Promise<unknown> = Promise.resolve();

  constructor(of: {
    readonly layout: HomeLayout;
    readonly settings: NodeSettings;
    readonly log: Logger;
    readonly trust: LoadedTrust;
    readonly keys?: KeyProtection;
  }) {
    this.layout = of.layout;
    this.keys = of.keys ?? new KeyProtection();
    this.#settings = of.settings;
    this.log = of.log;
    this.trust = of.trust;
    this.reach = new AdminReach(this);
    this.groups = new GroupPassphrases(this);
    this.pendingKeys = new PendingKeys(this);
  }

  get settings(): NodeSettings {
    return this.#settings;
  }

  /** Changes what the home says of its host, on disk first. */
  async changeSettings(changes: Partial<NodeSettings>): Promise<void> {
    const settings = { ...this.#settings, ...changes };
    const text = `${JSON.stringify(settings, null, 2)}\n`;
    await writeFileAtomic(this.layout.nodeSettings, text, { mode: 0o600 });
    this.#settings = settings;
  }

  /** True if this host is to be that of an Admin Node Manager, whatever it is now. */
  get isToBeAdmin(): boolean {
    return this.desired?.role?.isAdmin ?? this.settings.isAdmin;
  }

  get hostId(): HostId {
    return this.settings.hostId as HostId;
  }

  get processId(): ProcessId {
    return this.settings.nodeManagerId as ProcessId;
  }

  get credentialId(): CredentialId {
    return credentialId(this.processId, "management");
  }

  get self(): Self & { readonly role: Role } {
    return { role: this.settings.isAdmin ? "anm" : "nm", hostId: this.hostId };
  }

  get identity(): Identity {
    if (this.#identity === null)
      throw new DomainError(
        "state-corrupt",
        `${this.layout.nodeCredential} holds no certificate: restore it from a backup, or join the host again`,
      );
    return this.#identity;
  }

  /** Loads the certificate that this process presents from now on. */
  async loadIdentity(): Promise<void> {
    this.#identity = await readIdentity(this.layout.nodeCredential, this.keys);
  }

  health(id: CredentialId): CredentialHealth {
    const known = this.#health.get(id);
    if (known !== undefined) return known;
    const fresh: CredentialHealth = {
      failedRenewals: 0,
      lastError: null,
      retryAtMs: 0,
      seenOnWire: null,
      requestedAtRevision: 0,
    };
    this.#health.set(id, fresh);
    return fresh;
  }

  addProof(proof: EdgeProof): void {
    this.proofs.set(edgeKey({ ...proof, usage: "management" }, proof.authorityId), proof);
  }

  /** The newest proof of a management edge under an authority. */
  proofOf(
    verifier: ProcessId,
    presenter: ProcessId,
    authorityId: AuthorityId,
  ): EdgeProof | undefined {
    return this.proofs.get(edgeKey({ verifier, presenter, usage: "management" }, authorityId));
  }

  /** Ends the pause of the reconciler: there is something to do. */
  wake(): void {
    this.#wake();
  }

  /** Resolves when woken, or after `ms`. */
  async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /**
   * Verifies new trust and puts it in force. It is on disk before: a crash must not make this host
   * go back to an epoch behind one that it has acted on. True if any of it was new.
   */
  acceptTrust(links: readonly Envelope[], hostDocument: Envelope | null = null): Promise<boolean> {
    const done = this.#accepting.then(() => this.#acceptNow(links, hostDocument));
    this.#accepting = done.catch(() => undefined);
    return done;
  }

  async #acceptNow(links: readonly Envelope[], hostDocument: Envelope | null): Promise<boolean> {
    const accept = (trust: LoadedTrust): boolean => {
      const isNewLink = trust.accept(links);
      return (hostDocument !== null && trust.acceptHost(hostDocument)) || isNewLink;
    };
    const next = this.trust.copy();
    if (!accept(next)) return false;
    await writeFileAtomic(
      this.layout.trust,
      JSON.stringify({ ...next.save(), recent: next.recent }),
      { mode: 0o600 },
    );
    return accept(this.trust);
  }

  /** Does work on credential folders after that which was begun before: each has one writer. */
  installing<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#installing.then(work);
    this.#installing = done.catch(() => undefined);
    return done;
  }

  /** Keeps the desired state for a start without an Admin Node Manager. */
  async saveDesired(): Promise<void> {
    if (this.received === null) return;
    const { trust: _links, ...kept } = this.received;
    await writeFileAtomic(this.layout.desiredState, JSON.stringify({ ...kept, trust: [] }), {
      mode: 0o600,
    });
  }
}

/**
 * What the host was told when it joined, and what it last knew. `handed`: the passphrases of its keys,
 * where its settings do not say where they come from. Throws `home-missing`, `state-corrupt`, and as
 * `openEntityStore`.
 */
export async function openNodeState(
  home: string,
  log: (settings: NodeSettings) => Logger,
  handed: Passphrases | null,
): Promise<NodeState> {
  const layout = homeLayout(home);
  const settings = await readNodeSettings(layout.nodeSettings);
  if (settings === null)
    throw new DomainError(
      "home-missing",
      `${home} is not part of a domain: run \`managedomain --initialize\` or \`managedomain --add\` first`,
    );
  const saved = await readStateFile<SavedTrust>(layout.trust);
  if (saved === null)
    throw new DomainError(
      "state-corrupt",
      `${layout.trust} is missing: restore it from a backup, or join the host again`,
    );
  const state = new NodeState({
    layout,
    settings,
    log: log(settings),
    trust: LoadedTrust.restore(saved),
    keys: await openEntityStore(layout, handed),
  });
  state.desired = await readStateFile<DesiredState>(layout.desiredState);
  await state.loadIdentity();
  await state.groups.open();
  await state.pendingKeys.follow();
  await ensureFolder(layout.run, 0o700);
  await ensureFolder(dirname(`${layout.logs}/.`), 0o700);
  return state;
}
