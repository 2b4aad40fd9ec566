import {
  assert,
  DomainError,
  isDomainError,
  type HostId,
  type ProcessId,
} from "../../src/kit/index.ts";
import {
  credentialId,
  type EdgeProof,
  type KnownProcess,
  type Role,
} from "../../src/domain/index.ts";
import { desiredStateOf, returnHost, returnMessage } from "../../src/control/index.ts";
import type { DesiredState } from "../../src/contract/index.ts";
import type { AdminProcess } from "./admin-process.ts";
import { judge, shownBy, type Shown, type Verifier } from "./handshake.ts";
import { currentOf, type Folder, type Generation, type Presented } from "./leaf.ts";
import type { InstanceFiles } from "./gateway-process.ts";
import type { Endpoint } from "./network.ts";
import { reconcile, reloadThoseThatAnswer } from "./node-reconcile.ts";
import type { Life } from "./schedule.ts";
import type { TrustState } from "./trust-state.ts";
import type { World } from "./world.ts";

/** What a host keeps while none of its processes runs. */
export interface HostDisk {
  readonly hostId: HostId;
  readonly nodeManagerId: ProcessId;
  readonly isAdmin: boolean;
  trust: TrustState;
  desired: DesiredState | null;
  readonly folder: Folder;
  readonly instances: Map<ProcessId, InstanceFiles>;
}

const waitMs = 20_000;
const retryMsMax = 2_000;
const returnable = new Set<unknown>(["chain", "expired", "other-key"]);

/**
 * The Node Manager of a host as `src/node` has it: one task follows the desired state, one brings
 * the host to it. Which credential move is next is decided by the real `nextCredentialMove`.
 */
export class NodeManager implements Endpoint {
  readonly life: Life;
  readonly world: World;
  readonly disk: HostDisk;
  readonly trust: TrustState;
  desired: DesiredState | null;
  identity: Generation;
  isConnected = false;
  readonly bootId: string;
  readonly seenOnWire = new Map<string, string>();
  readonly proofs = new Map<string, EdgeProof>();
  readonly probes = new Map<string, Presented>();
  /** Epoch that each instance said it has loaded; absent while it does not answer. */
  readonly statusOf = new Map<ProcessId, number>();
  /** Instances whose files may be newer than what they have loaded. */
  readonly needsReload: Set<ProcessId>;
  readonly failures = new Map<string, number>();
  readonly retryAtMs = new Map<string, number>();
  #openedWith = "";
  #hasNews = false;

  constructor(world: World, disk: HostDisk) {
    this.world = world;
    this.disk = disk;
    this.life = { name: disk.nodeManagerId, alive: true };
    this.trust = disk.trust.copy();
    this.desired = disk.desired && structuredClone(disk.desired);
    const current = currentOf(disk.folder);
    if (current === null) throw new Error(`${disk.hostId} has no certificate`);
    this.identity = current;
    // What an instance that outlived its Node Manager has loaded is not known.
    this.needsReload = new Set(disk.instances.keys());
    this.bootId = `boot-${world.schedule.steps}`;
    world.schedule.spawn(this.life, "start following", () => this.#follow());
    world.schedule.spawn(this.life, "start reconciling", () => reconcile(this));
  }

  get hostId(): HostId {
    return this.disk.hostId;
  }

  get id(): ProcessId {
    return this.disk.nodeManagerId;
  }

  get role(): Role {
    return this.disk.isAdmin ? "anm" : "nm";
  }

  get credentialId(): string {
    return credentialId(this.id, "management");
  }

  async #follow(): Promise<void> {
    for (;;) {
      try {
        await this.#askOnce();
      } catch (error) {
        if (!isDomainError(error)) throw error;
        this.isConnected = false;
        try {
          await this.#recover(error);
        } catch (reason) {
          if (!isDomainError(reason)) throw reason;
        }
        await this.sleep("retry", 200 + this.world.rng.below(retryMsMax));
      }
    }
  }

  async #askOnce(): Promise<void> {
    const known = this.isConnected ? (this.desired?.revision ?? 0) : 0;
    if (this.isConnected)
      await this.sleep("wait for a revision", waitMs, () => this.world.revision > known);
    const epoch = this.trust.epoch;
    const desired = await this.callAdmin("getDesiredState", async (admin) => {
      const revision = await admin.env.store.revision();
      return admin.env.store.read((view) =>
        desiredStateOf(view, admin.env, { hostId: this.hostId, epoch, revision }),
      );
    });
    await this.load(desired);
    this.isConnected = true;
    this.#hasNews = true;
  }

  /** Takes over what was answered: on disk first, so that a restart never knows less than was said. */
  async load(desired: Pick<DesiredState, "trust" | "hostDocument"> | DesiredState): Promise<void> {
    const next = this.trust.copy();
    next.accept(desired.trust);
    next.acceptHost(desired.hostDocument);
    await this.world.schedule.step(this.life, "save trust and desired state");
    this.disk.trust = next;
    if ("credentials" in desired) this.disk.desired = structuredClone(desired);
    this.trust.accept(desired.trust);
    this.trust.acceptHost(desired.hostDocument);
    if ("credentials" in desired) this.desired = desired;
  }

  /** True once after each answer. */
  takeNews(): boolean {
    const had = this.#hasNews;
    this.#hasNews = false;
    return had;
  }

  hasNews(): boolean {
    return this.#hasNews;
  }

  async sleep(what: string, ms: number, isReady?: () => boolean): Promise<void> {
    await this.world.schedule.sleep(this.life, what, ms, isReady);
  }

  /** As `src/node/admin-link.ts`: after a refusal, the trust chain and then the last key may help. */
  async #recover(failure: DomainError): Promise<void> {
    const { refusal } = failure.context;
    if (failure.code === "forbidden" && returnable.has(refusal)) return this.#return();
    if (failure.code === "untrusted-server" || failure.code === "unreachable")
      await this.#refreshTrust();
  }

  async #refreshTrust(): Promise<void> {
    const { epoch } = this.trust;
    const { admin } = this.world;
    const links = await this.world.network.call(this, admin, "getTrust", async () =>
      admin.env.store.read((view) => view.trust.after(epoch, 1000)),
    );
    const next = this.trust.copy();
    if (!next.accept(links.map((link) => link.envelope))) return;
    await this.world.schedule.step(this.life, "save trust");
    this.disk.trust = next;
    this.trust.accept(links.map((link) => link.envelope));
  }

  async #return(): Promise<void> {
    await this.#refreshTrust();
    const { admin, signing } = this.world;
    const { key, pem } = await signing.newRequest();
    const nonce = "0".repeat(64);
    const lastKey = this.identity.key;
    const issued = await this.world.network.call(this, admin, "returnHost", async () => {
      this.#checkAdmin(admin);
      const message = returnMessage({ hostId: this.hostId, nonce, requestPem: pem });
      const { spki, proof } = signing.prove(lastKey, message);
      const request = { hostId: this.hostId, nonce, requestPem: pem };
      const encoded = { lastKey: base64(spki), proof: base64(proof) };
      const admission = await returnHost(admin.env, { ...request, ...encoded }, false);
      assert("trust" in admission, "the domain signs by itself");
      return { ...admission, issuerPem: await this.world.issuerPem(admission.authorityId) };
    });
    await this.world.schedule.step(this.life, "install own certificate");
    const leaf = signing.leafOf(issued, issued.issuerPem);
    this.disk.folder.generations.set(issued.sequence, { ...issued, key, leaf });
    await this.load({ trust: [...issued.trust], hostDocument: issued.hostDocument });
    await reloadThoseThatAnswer(this);
    await this.world.schedule.step(this.life, "present own certificate");
    this.disk.folder.current = issued.sequence;
    this.identity = currentOf(this.disk.folder) ?? this.identity;
  }

  get verifier(): Verifier {
    const documents = this.trust.documents();
    return {
      role: this.role,
      hostId: this.hostId,
      inForce: documents,
      known: [...documents.trust.admins, ...(documents.host?.processes ?? [])],
    };
  }

  shown(probeOf?: string): Shown | undefined {
    const presented = probeOf === undefined ? this.identity : this.probes.get(probeOf);
    return presented && shownBy(presented, this.trust.documents());
  }

  /** Checks that the server is the Admin Node Manager; throws `untrusted-server`. */
  #checkAdmin(admin: AdminProcess, probeOf?: string): void {
    this.checkServer(admin.shown(probeOf), this.trust.documents().trust.admins[0], probeOf);
  }

  checkServer(
    shown: Shown | undefined,
    expected: KnownProcess | undefined,
    probeOf?: string,
  ): void {
    if (shown === undefined || expected === undefined)
      throw new DomainError("unreachable", "nothing answers there");
    const verdict = judge({ ...this.verifier, known: [expected] }, shown, {
      peerIs: "server",
      expected: expected.id,
      probe: probeOf !== undefined,
      nowMs: this.world.clock.nowMs(),
    });
    if (!verdict.ok)
      throw new DomainError("untrusted-server", verdict.text, {
        context: { refusal: verdict.refusal },
      });
  }

  /** A request to the Admin Node Manager over mutual TLS; a new handshake when identity or trust changed. */
  async callAdmin<T>(what: string, serve: (admin: AdminProcess) => Promise<T>): Promise<T> {
    const { admin } = this.world;
    return this.world.network.call(this, admin, what, async () => {
      const basis = `${admin.life.name} ${this.identity.leaf.serial} ${this.trust.epoch}`;
      const isNew = basis !== this.#openedWith || !admin.connections.has(this.hostId);
      this.#checkAdmin(admin);
      const shown = this.shown();
      if (shown === undefined) throw new DomainError("unreachable", "there is no certificate");
      await admin.admit(this.hostId, shown, isNew);
      this.world.handshakesWith(admin.id).add(this.hostId);
      this.#openedWith = basis;
      return serve(admin);
    });
  }

  /** A probe of the Admin Node Manager under an authority: each side accepts the other, or it throws. */
  async probeAdmin(authorityId: string): Promise<void> {
    const { admin } = this.world;
    await this.world.network.call(this, admin, "probe", async () => {
      this.#checkAdmin(admin, authorityId);
      if (this.world.mutant === "agent-answers-for-others") return;
      const shown = this.shown(authorityId);
      if (shown === undefined)
        throw new DomainError("unreachable", "there is no probe certificate");
      await admin.answerProbe(this.hostId, shown, authorityId);
    });
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
