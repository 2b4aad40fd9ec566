import {
  assert,
  DomainError,
  isDomainError,
  type HostId,
  type RolloutId,
} from "../../src/kit/index.ts";
import type { AuthorityUsage, Instance } from "../../src/domain/index.ts";
import {
  approveHost,
  createInstance,
  createJoinToken,
  createPlan,
  createRelyingParty,
  deleteHost,
  deleteInstance,
  joinHost,
  pauseRollout,
  resumeRollout,
  revoke,
  rollBack,
  setInstanceEnabled,
  startRollout,
  waiveGate,
  type ControlEnvironment,
} from "../../src/control/index.ts";
import { isOpen, type Rollout } from "../../src/planning/index.ts";
import { currentOf, emptyFolder } from "./leaf.ts";
import type { Life } from "./schedule.ts";
import type { World } from "./world.ts";

/** What people, hardware and time do to a domain. Numbers choose among what there is then. */
export type Deed =
  | {
      readonly do: "rotate";
      readonly usages: readonly AuthorityUsage[];
      readonly observeSeconds: number;
    }
  | { readonly do: "replace-leaves" }
  | { readonly do: "pause" | "resume" | "roll-back" | "join-host" }
  | {
      readonly do: "create-instance" | "delete-instance" | "toggle-instance";
      readonly which: number;
    }
  | { readonly do: "waive" | "delete-host" | "revoke"; readonly which: number }
  | { readonly do: "renewals-come-due"; readonly which: number }
  | { readonly do: "host-leaves"; readonly which: number; readonly forMs: number };

const actor = "user:admin";
/** Refusals that a person may well run into. */
const expected = new Set([
  "conflict",
  "plan-stale",
  "plan-unsafe",
  "rollout-active",
  "still-running",
  "not-found",
  "forbidden",
  "invalid-input",
  "already-exists",
  "authority-unavailable",
  "unreachable",
  "token-used",
]);

/** People at the API: their requests are transactions like any other. */
export class People {
  readonly life: Life = { name: "people", alive: true };
  readonly #world: World;
  readonly #env: ControlEnvironment;
  #names = 0;

  constructor(world: World) {
    this.#world = world;
    this.#env = world.environmentOf(this.life);
  }

  /** Does one thing, or is refused. */
  async act(deed: Deed): Promise<void> {
    try {
      await this.#act(deed);
    } catch (error) {
      if (!isDomainError(error) || !expected.has(error.code)) throw error;
    }
  }

  async #act(deed: Deed): Promise<void> {
    switch (deed.do) {
      case "rotate":
        await this.#start({ ...deed, kind: "rotate-ca", subject: null });
        return;
      case "replace-leaves":
        await this.#start({ kind: "replace-leaves", credentials: null });
        return;
      case "pause":
        await pauseRollout(this.#env, this.#open().id, actor);
        return;
      case "resume":
        await resumeRollout(this.#env, this.#open().id, actor);
        return;
      case "roll-back":
        await rollBack(this.#env, this.#open().id, actor);
        return;
      case "join-host":
        return this.joinHost();
      case "waive":
        return this.#waiveHost(this.#hostAt(deed.which));
      case "create-instance":
        return this.createInstance(this.#hostAt(deed.which));
      case "delete-instance":
        return this.#deleteInstance(this.#instanceAt(deed.which));
      case "toggle-instance": {
        const { id, enabled } = this.#instanceAt(deed.which);
        return setInstanceEnabled(this.#env, { id, enabled: !enabled, actor });
      }
      case "revoke": {
        const process = this.#instanceAt(deed.which).id;
        await revoke(this.#env, { process, reason: "a test", actor });
        return;
      }
      case "delete-host":
        return this.deleteHost(this.#hostAt(deed.which));
      case "renewals-come-due":
        return this.#letRenewalsComeDue(this.#hostAt(deed.which));
      case "host-leaves":
        return this.#leave(this.#hostAt(deed.which), deed.forMs);
    }
  }

  async #start(wish: Parameters<typeof createPlan>[1]): Promise<void> {
    const plan = await createPlan(this.#env, wish, actor);
    await startRollout(this.#env, plan.id, actor);
  }

  #open(): Rollout {
    const open = this.#world.truth?.rollouts.find(isOpen);
    if (open === undefined) throw new DomainError("not-found", "no rollout is under way");
    return open;
  }

  #hostAt(which: number): HostId {
    const hosts = [...this.#world.disks.keys()];
    return hosts[which % hosts.length] as HostId;
  }

  #instanceAt(which: number): Instance {
    const instances = this.#world.truth?.topology.instances ?? [];
    const found = instances[which % Math.max(1, instances.length)];
    if (found === undefined) throw new DomainError("not-found", "there is no instance");
    return found;
  }

  async #waiveHost(hostId: HostId): Promise<void> {
    if (this.#world.diskOf(hostId).isAdmin) return;
    const { id, done, todo } = this.#open();
    for (const phase of new Set([
      ...done.map(({ step }) => step.phase),
      ...todo.map((s) => s.phase),
    ]))
      await this.#waive(id, phase, hostId);
  }

  async #waive(id: RolloutId, phase: string, subject: string): Promise<void> {
    const waiver = { subject, phase, reason: "a test", lifetimeSeconds: 7 * 86_400 };
    await waiveGate(this.#env, id, waiver, actor);
  }

  /** Answers for the callers whom nobody can observe. */
  async waiveUnmanaged(): Promise<void> {
    for (const rollout of this.#world.truth?.rollouts.filter(isOpen) ?? []) {
      for (const { usage } of rollout.successions) {
        const subject = `unmanaged:${usage}`;
        if (rollout.waivers.some((waiver) => waiver.subject === subject)) continue;
        if (rollout.status === "rolling-back" || rollout.pausedFrom === "rolling-back") continue;
        await this.#attempt(() => this.#waive(rollout.id, "observe", subject));
      }
    }
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isDomainError(error) || !expected.has(error.code)) throw error;
    }
  }

  /** When everything else has calmed down: what is still held back by people goes on. */
  async tidyUp(): Promise<void> {
    await this.waiveUnmanaged();
    const { truth, disks } = this.#world;
    for (const rollout of truth?.rollouts.filter(({ status }) => status === "paused") ?? [])
      await this.#attempt(() => resumeRollout(this.#env, rollout.id, actor));
    for (const host of truth?.topology.hosts ?? []) {
      if (host.status === "quarantined") await approveHost(this.#env, host.id, actor);
      // It joined, but its certificate never arrived.
      if (!disks.has(host.id)) await this.#attempt(() => this.deleteHost(host.id));
    }
  }

  async createInstance(hostId: HostId): Promise<void> {
    const name = `instance ${++this.#names}`;
    const { instance } = await createInstance(this.#env, { name, group: "group", hostId, actor });
    await setInstanceEnabled(this.#env, { id: instance.id, enabled: true, actor });
  }

  async #deleteInstance({ id }: Instance): Promise<void> {
    await setInstanceEnabled(this.#env, { id, enabled: false, actor });
    await this.#world.schedule.sleep(
      this.life,
      "wait for the instance to stop",
      5_000,
      () => !this.#world.gateways.has(id),
    );
    await this.#world.schedule.sleep(this.life, "wait for the report", 2_000);
    await deleteInstance(this.#env, { id, actor });
  }

  async deleteHost(id: HostId): Promise<void> {
    if (this.#world.disks.get(id)?.isAdmin === true) return;
    await deleteHost(this.#env, { id, actor });
    this.#world.removeHost(id);
  }

  async createRelyingParty(): Promise<void> {
    const { id } = await createRelyingParty(this.#env, { name: `party ${++this.#names}`, actor });
    this.#world.addParty(id);
  }

  /** A new host: its Node Manager makes a key, spends a token, and starts with what it is answered. */
  async joinHost(): Promise<void> {
    const { admin, signing, network } = this.#world;
    const { text } = await createJoinToken(this.#env, {
      hostName: null,
      lifetimeSeconds: 3600,
      actor,
    });
    const { key, pem } = await signing.newRequest();
    const number = ++this.#names;
    const joiner = { life: this.life, hostId: null };
    const issued = await network.call(joiner, admin, "joinHost", async () => {
      const admission = await joinHost(admin.env, {
        token: text,
        hostName: `host ${number}`,
        address: `host-${number}.example`,
        nodeManagerName: `node ${number}`,
        port: 8090,
        requestPem: pem,
      });
      assert("trust" in admission, "the domain signs by itself");
      return { ...admission, issuerPem: await this.#world.issuerPem(admission.authorityId) };
    });
    const trust = signing.newTrust();
    trust.accept(issued.trust);
    trust.acceptHost(issued.hostDocument);
    const folder = emptyFolder();
    const leaf = signing.leafOf(issued, issued.issuerPem);
    folder.generations.set(issued.sequence, { ...issued, key, leaf });
    folder.current = issued.sequence;
    const { id, nodeManager } = issued.host;
    this.#world.disks.set(id, {
      hostId: id,
      nodeManagerId: nodeManager.id,
      isAdmin: false,
      trust,
      desired: null,
      folder,
      instances: new Map(),
    });
    this.#world.startNode(id);
  }

  async #letRenewalsComeDue(hostId: HostId): Promise<void> {
    const { folder, instances } = this.#world.diskOf(hostId);
    const folders = [folder, ...[...instances.values()].flatMap((i) => [i.management, i.traffic])];
    for (const each of folders) {
      const current = currentOf(each);
      if (current !== null) this.#world.renewalsDue.add(current.leaf.serial);
    }
  }

  async #leave(hostId: HostId, forMs: number): Promise<void> {
    const { network, schedule } = this.#world;
    if (this.#world.diskOf(hostId).isAdmin) return;
    network.away.add(hostId);
    schedule.spawn(
      { name: `way back of ${hostId}`, alive: true },
      "come back",
      async () => {
        network.away.delete(hostId);
      },
      forMs,
    );
  }
}
