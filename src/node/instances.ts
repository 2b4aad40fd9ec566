import { existsSync } from "node:fs";
import { glob, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describeError, DomainError, type GroupId, type ProcessId } from "../kit/index.ts";
import type { HomeLayout, InstanceLayout, ProcessState } from "../domain/index.ts";
import type { DesiredState, InstanceSettings, InstanceStatus } from "../contract/index.ts";
import { currentSequence, ensureFolder, writeFileAtomic, type Passphrases } from "../keys/index.ts";
import type { InstanceLinks } from "./instance-link.ts";
import { isSilence, Liveness } from "./liveness.ts";
import type { NodeState } from "./node-state.ts";
import { ReloadSignal } from "./reload-signal.ts";
import { ownProgram, type Program } from "./processes.ts";
import { Supervisor } from "./supervisor.ts";

type WantedInstance = DesiredState["instances"][number];

/** An instance that lives and does not answer any more is noticed this late. */
const askEveryMs = 5_000;

/** What answers nothing will hardly drain. */
const hungDrainMsMax = 5_000;

/** Another program: started, never imported. */
const gatewayProgram = join(import.meta.dirname, "..", "gateway", "main.js");

type InstancePlace = Pick<WantedInstance, "id" | "groupId">;

/** Every instance that has a folder on this host. */
async function instancesOnDisk({ home }: HomeLayout): Promise<InstancePlace[]> {
  const found: InstancePlace[] = [];
  for await (const path of glob("groups/group-*/instance-*", { cwd: home })) {
    const [, groupId, id] = path.split("/");
    found.push({ groupId, id } as InstancePlace);
  }
  return found;
}

/** Where an instance's files are. */
export function instanceFolder(
  state: Pick<NodeState, "layout" | "desired">,
  id: ProcessId,
): InstanceLayout {
  return state.layout.instance(groupOf(state, id), id);
}

/** The group of an instance of this host. */
export function groupOf({ desired }: Pick<NodeState, "desired">, id: ProcessId): GroupId {
  const wanted = desired?.instances.find((instance) => instance.id === id);
  if (wanted === undefined)
    throw new Error(`invariant broken: ${id} is not an instance of this host`);
  return wanted.groupId;
}

/** What keeps the process of one instance running, or stopped. */
export type InstanceKeeper = Pick<
  Supervisor,
  "pid" | "hasFailed" | "lastError" | "isRunning" | "keepRunning" | "keepStopped" | "signalReload"
>;
export type KeeperOf = (state: NodeState, program: Program) => InstanceKeeper;

/** How the instances are called. */
export type InstanceCalls = Pick<InstanceLinks, "call" | "status" | "close">;

interface Known {
  readonly supervisor: InstanceKeeper;
  readonly layout: InstanceLayout;
  /** What the files hold, to write only what changed. */
  written: string;
  settingsWritten: string;
  filesEpoch: number;
  /** Once they are there, they stay. */
  hasCredentials: boolean;
  status: InstanceStatus | null;
  askedAtMs: number;
  needsReload: boolean;
  readonly reloadSignal: ReloadSignal;
  /** The process that is being stopped because it does not answer. */
  restartedPid: number | null;
}

/** The gateway instances of this host: their files, processes and what they say of themselves. */
export class Instances {
  readonly #state: NodeState;
  readonly #links: InstanceCalls;
  readonly #keeperOf: KeeperOf;
  readonly #liveness: Liveness;
  readonly #known = new Map<ProcessId, Known>();
  #hasLookedForLeft = false;

  constructor(
    state: NodeState,
    links: InstanceCalls,
    keeperOf: KeeperOf = (of, program) => new Supervisor(of, program),
    liveness = new Liveness(),
  ) {
    this.#liveness = liveness;
    this.#state = state;
    this.#links = links;
    this.#keeperOf = keeperOf;
  }

  /** Makes files and processes as desired; removes what is no longer desired. */
  async converge(): Promise<void> {
    const wanted = this.#state.desired?.instances ?? [];
    for (const instance of wanted) {
      try {
        await this.#convergeOne(instance);
      } catch (error) {
        this.#state.log.warn(
          { instance: instance.id, error: describeError(error) },
          "the instance could not be brought to its desired state",
        );
      }
    }
    await this.#lookForLeft();
    for (const [id, known] of this.#known) {
      if (!wanted.some((instance) => instance.id === id)) await this.#remove(id, known);
    }
  }

  /**
   * What an earlier start of this Node Manager did not live to remove is removed too, as soon as the
   * desired state is one that was received since.
   */
  async #lookForLeft(): Promise<void> {
    const { desired, received, layout } = this.#state;
    if (this.#hasLookedForLeft || received === null || desired !== received) return;
    for (const place of await instancesOnDisk(layout)) this.#knownOf(place);
    this.#hasLookedForLeft = true;
  }

  async #convergeOne(instance: WantedInstance): Promise<void> {
    const known = this.#knownOf(instance);
    await this.#writeFiles(instance, known);
    await this.#keepProcess(instance, known);
    if (known.needsReload) await this.#reload(instance.id, known);
    await this.#look(instance.id, known);
  }

  async #keepProcess({ id, enabled }: WantedInstance, known: Known): Promise<void> {
    const { supervisor } = known;
    if (!enabled) {
      this.#liveness.forget(id);
      await supervisor.keepStopped(performance.now());
    } else if (this.#liveness.mustRestart(id, supervisor.pid)) {
      if (known.restartedPid !== supervisor.pid)
        this.#state.log.warn(
          { instance: id, hungPid: supervisor.pid },
          "the instance lives and does not answer: it is restarted",
        );
      known.restartedPid = supervisor.pid;
      await supervisor.keepStopped(performance.now(), hungDrainMsMax);
    } else if (await this.#hasCredentials(known)) await supervisor.keepRunning(performance.now());
  }

  #knownOf(instance: InstancePlace): Known {
    const existing = this.#known.get(instance.id);
    if (existing !== undefined) return existing;
    const layout = this.#state.layout.instance(instance.groupId, instance.id);
    const program = ownProgram({
      name: instance.id,
      path: gatewayProgram,
      args: ["--home", layout.folder],
      logFile: `${layout.logs}/gateway.log`,
      runFile: layout.runFile,
      passphrases: () => this.#state.groups.passphrasesOf(instance.groupId),
    });
    const known: Known = {
      layout,
      supervisor: this.#keeperOf(this.#state, program),
      written: "",
      settingsWritten: "",
      filesEpoch: 0,
      hasCredentials: false,
      status: null,
      askedAtMs: 0,
      needsReload: false,
      reloadSignal: new ReloadSignal(),
      restartedPid: null,
    };
    this.#known.set(instance.id, known);
    return known;
  }

  /**
   * Settings and trust; an instance starts only after its files hold the newest epoch known here.
   * Of its host's document an instance needs its Node Manager: another instance's key is no news.
   */
  async #writeFiles(instance: WantedInstance, known: Known): Promise<void> {
    const { trust, hostId, processId } = this.#state;
    const { enabled: _enabled, ...rest } = instance;
    const settings: InstanceSettings = { ...rest, hostId };
    const { host, ...chain } = trust.save();
    const nodeManager = trust.host?.processes.filter((process) => process.id === processId);
    const written = JSON.stringify([settings, chain, nodeManager]);
    if (written === known.written) return;
    if (known.written === "") await this.#makeFolders(known.layout);
    const settingsText = `${JSON.stringify(settings, null, 2)}\n`;
    if (settingsText !== known.settingsWritten)
      await writeFileAtomic(known.layout.settings, settingsText, { mode: 0o600 });
    known.settingsWritten = settingsText;
    await writeFileAtomic(known.layout.trust, JSON.stringify({ ...chain, host }), { mode: 0o600 });
    known.written = written;
    known.filesEpoch = trust.epoch;
    known.needsReload = true;
    known.reloadSignal.filesChanged();
  }

  async #makeFolders({
    settings,
    runFile,
    logs,
    documentedCredentials,
  }: InstanceLayout): Promise<void> {
    for (const folder of [dirname(settings), dirname(runFile), logs])
      await ensureFolder(folder, 0o700);
    if (!existsSync(documentedCredentials))
      await symlink("../credentials", documentedCredentials).catch(() => undefined);
  }

  async #hasCredentials(known: Known): Promise<boolean> {
    known.hasCredentials ||=
      (await currentSequence(known.layout.credential("management"))) !== null &&
      (await currentSequence(known.layout.credential("traffic"))) !== null;
    return known.hasCredentials;
  }

  /**
   * Makes a running instance load its files, which have changed; one that does not run loads them
   * when it starts.
   */
  async reload(id: ProcessId): Promise<void> {
    const known = this.#known.get(id);
    if (known === undefined) return;
    known.reloadSignal.filesChanged();
    await this.#reload(id, known);
  }

  async #reload(id: ProcessId, known: Known): Promise<void> {
    const instance = this.#state.desired?.instances.find((wanted) => wanted.id === id);
    if (instance !== undefined) await this.#writeFiles(instance, known);
    // Until it has answered, what it has loaded is not known: the next look tries again.
    known.needsReload = await known.supervisor.isRunning();
    if (!known.needsReload || known.status === null) return;
    try {
      const body = this.#handedTo(instance);
      known.status = (await this.#links.call(id, "reload", { body })) as InstanceStatus;
    } catch (error) {
      await this.#notAnswered(id, known, error);
      throw error;
    }
    known.needsReload = false;
  }

  #handedTo(instance: WantedInstance | undefined): { passphrases?: Passphrases } {
    if (instance === undefined) return {};
    const passphrases = this.#state.groups.passphrasesOf(instance.groupId);
    return passphrases === null ? {} : { passphrases };
  }

  /** Makes one load its files now. Throws `not-running` where it runs and did not. */
  async reloadNow(id: ProcessId): Promise<void> {
    await this.reload(id);
    if (this.#known.get(id)?.needsReload === true)
      throw new DomainError("not-running", `${id} does not answer yet`);
  }

  /** Makes all of them load their files. Throws `not-running` if one runs and did not. */
  async reloadAll(): Promise<void> {
    for (const [id, known] of this.#known)
      await this.#reload(id, known).catch((cause: unknown) => {
        this.#state.log.debug({ instance: id, error: describeError(cause) }, "nothing was loaded");
      });
    for (const [id, known] of this.#known)
      if (known.needsReload)
        throw new DomainError(
          "not-running",
          `${id} does not answer, and would refuse a certificate that it has not loaded: restart it`,
        );
  }

  /** Asks the instance how it is. */
  async #look(id: ProcessId, known: Known): Promise<void> {
    if (!(await known.supervisor.isRunning())) {
      known.status = null;
      return;
    }
    if (!this.#isStatusOld(known)) return;
    known.askedAtMs = performance.now();
    try {
      const status = await this.#links.status(id);
      // It was started, or adopted, since its files were last written: it may have loaded older ones.
      if (known.status === null && status.loadedEpoch < known.filesEpoch) known.needsReload = true;
      known.status = status;
      this.#liveness.forget(id);
    } catch (error) {
      await this.#notAnswered(id, known, error);
      this.#state.log.debug(
        { instance: id, error: describeError(error) },
        "the instance does not answer",
      );
    }
  }

  /**
   * One that answers nothing may hang. One that refuses, or is refused, lives, and may show and
   * trust what its files no longer hold: where a call cannot tell it so, a signal can.
   */
  async #notAnswered(id: ProcessId, known: Known, error: unknown): Promise<void> {
    known.status = null;
    const nowMs = performance.now();
    if (isSilence(error)) return this.#liveness.missed(id, known.supervisor.pid, nowMs);
    this.#liveness.forget(id);
    if (known.reloadSignal.isDue(nowMs) && (await known.supervisor.signalReload()))
      this.#state.log.warn(
        { instance: id, error: describeError(error) },
        "the instance was told by a signal to load its files again",
      );
  }

  /** A process that is up to date has no news until its trust changes. */
  #isStatusOld({ status, askedAtMs, supervisor }: Known): boolean {
    const { epoch, closeBefore } = this.#state.trust;
    return (
      status === null ||
      status.pid !== supervisor.pid ||
      status.loadedEpoch < epoch ||
      (status.oldestConnectionEpoch ?? epoch) < closeBefore ||
      performance.now() - askedAtMs > askEveryMs
    );
  }

  async #remove(id: ProcessId, known: Known): Promise<void> {
    await known.supervisor.keepStopped(performance.now());
    if (await known.supervisor.isRunning()) return;
    this.#links.close(id);
    this.#liveness.forget(id);
    this.#known.delete(id);
    if (existsSync(known.layout.folder))
      await rm(known.layout.folder, { recursive: true, force: true });
  }

  /** What the instance said of itself when last asked; null while it does not answer. */
  statusOf(id: ProcessId): InstanceStatus | null {
    return this.#known.get(id)?.status ?? null;
  }

  filesEpochOf(id: ProcessId): number {
    return this.#known.get(id)?.filesEpoch ?? 0;
  }

  async stateOf(
    id: ProcessId,
  ): Promise<{ state: ProcessState; pid: number | null; lastError: string | null }> {
    const known = this.#known.get(id);
    if (known === undefined) return { state: "stopped", pid: null, lastError: null };
    const { supervisor, status } = known;
    const isRunning = await supervisor.isRunning();
    const { pid, hasFailed, lastError } = supervisor;
    if (isRunning && status !== null) return { state: "running", pid, lastError: null };
    // One that failed says so also during its next try.
    if (isRunning) return { state: "starting", pid, lastError };
    return { state: hasFailed ? "failed" : "stopped", pid: null, lastError };
  }
}
