import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describeError, type ProcessId } from "../kit/index.ts";
import { type InstanceLayout, type ProcessState } from "../domain/index.ts";
import type { DesiredState, InstanceSettings, InstanceStatus } from "../contract/index.ts";
import { ensureFolder, readCurrent, writeFileAtomic } from "../keys/index.ts";
import type { InstanceLinks } from "./instance-link.ts";
import type { NodeState } from "./node-state.ts";
import { Supervisor, type Program } from "./supervisor.ts";

type WantedInstance = DesiredState["instances"][number];

/** Another program: started, never imported. */
const gatewayProgram = join(import.meta.dirname, "..", "gateway", "main.js");

/** Where an instance's files are. */
export function instanceFolder(state: NodeState, id: ProcessId): InstanceLayout {
  const wanted = state.desired?.instances.find((instance) => instance.id === id);
  if (wanted === undefined)
    throw new Error(`invariant broken: ${id} is not an instance of this host`);
  return state.layout.instance(wanted.groupId, id);
}

/** What keeps the process of one instance running, or stopped. */
export type InstanceKeeper = Pick<
  Supervisor,
  "pid" | "hasFailed" | "isRunning" | "keepRunning" | "keepStopped"
>;
export type KeeperOf = (state: NodeState, program: Program) => InstanceKeeper;

interface Known {
  readonly supervisor: InstanceKeeper;
  readonly layout: InstanceLayout;
  /** What the files hold, to write only what changed. */
  written: string;
  filesEpoch: number;
  status: InstanceStatus | null;
  needsReload: boolean;
}

/** The gateway instances of this host: their files, processes and what they say of themselves. */
export class Instances {
  readonly #state: NodeState;
  readonly #links: InstanceLinks;
  readonly #keeperOf: KeeperOf;
  readonly #known = new Map<ProcessId, Known>();

  constructor(
    state: NodeState,
    links: InstanceLinks,
    keeperOf: KeeperOf = (of, program) => new Supervisor(of, program),
  ) {
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
    for (const [id, known] of this.#known) {
      if (!wanted.some((instance) => instance.id === id)) await this.#remove(id, known);
    }
  }

  async #convergeOne(instance: WantedInstance): Promise<void> {
    const known = this.#knownOf(instance);
    await this.#writeFiles(instance, known);
    if (!instance.enabled) {
      await known.supervisor.keepStopped(performance.now());
    } else if (await this.#hasCredentials(known))
      await known.supervisor.keepRunning(performance.now());
    if (known.needsReload) await this.reload(instance.id);
    await this.#look(instance.id, known);
  }

  #knownOf(instance: WantedInstance): Known {
    const existing = this.#known.get(instance.id);
    if (existing !== undefined) return existing;
    const layout = this.#state.layout.instance(instance.groupId, instance.id);
    const program = {
      name: instance.id,
      path: gatewayProgram,
      args: ["--home", layout.folder],
      logFile: `${layout.logs}/gateway.log`,
      runFile: layout.runFile,
    };
    const known: Known = {
      layout,
      supervisor: this.#keeperOf(this.#state, program),
      written: "",
      filesEpoch: 0,
      status: null,
      needsReload: false,
    };
    this.#known.set(instance.id, known);
    return known;
  }

  /** Settings and trust; an instance starts only after its files hold the newest epoch known here. */
  async #writeFiles(instance: WantedInstance, known: Known): Promise<void> {
    const { trust, hostId } = this.#state;
    const { enabled: _enabled, ...rest } = instance;
    const settings: InstanceSettings = { ...rest, hostId };
    const saved = trust.save();
    const written = JSON.stringify([settings, saved]);
    if (written === known.written) return;
    for (const folder of [known.layout.settings, known.layout.runFile, `${known.layout.logs}/x`])
      await ensureFolder(folder.slice(0, folder.lastIndexOf("/")), 0o700);
    await writeFileAtomic(known.layout.settings, `${JSON.stringify(settings, null, 2)}\n`, {
      mode: 0o600,
    });
    await writeFileAtomic(known.layout.trust, JSON.stringify(saved), { mode: 0o600 });
    known.written = written;
    known.filesEpoch = trust.epoch;
    known.needsReload = true;
  }

  async #hasCredentials(known: Known): Promise<boolean> {
    return (
      (await readCurrent(known.layout.credential("management"))) !== null &&
      (await readCurrent(known.layout.credential("traffic"))) !== null
    );
  }

  /** Makes a running instance load its files again; one that does not run loads them when it starts. */
  async reload(id: ProcessId): Promise<void> {
    const known = this.#known.get(id);
    if (known === undefined) return;
    const instance = this.#state.desired?.instances.find((wanted) => wanted.id === id);
    if (instance !== undefined) await this.#writeFiles(instance, known);
    if (!(await known.supervisor.isRunning()) || known.status === null) {
      known.needsReload = false;
      return;
    }
    // Until it has answered, what it has loaded is not known: the next look tries again.
    known.needsReload = true;
    known.status = (await this.#links.call(id, "reload")) as InstanceStatus;
    known.needsReload = false;
  }

  async reloadAll(): Promise<void> {
    for (const id of this.#known.keys()) await this.reload(id);
  }

  /** Asks the instance how it is. */
  async #look(id: ProcessId, known: Known): Promise<void> {
    if (!(await known.supervisor.isRunning())) {
      known.status = null;
      return;
    }
    try {
      const status = await this.#links.status(id);
      // It was started, or adopted, since its files were last written: it may have loaded older ones.
      if (known.status === null && status.loadedEpoch < known.filesEpoch) known.needsReload = true;
      known.status = status;
    } catch (error) {
      known.status = null;
      this.#state.log.debug(
        { instance: id, error: describeError(error) },
        "the instance does not answer",
      );
    }
  }

  async #remove(id: ProcessId, known: Known): Promise<void> {
    await known.supervisor.keepStopped(performance.now());
    if (await known.supervisor.isRunning()) return;
    this.#links.close(id);
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

  async stateOf(id: ProcessId): Promise<{ state: ProcessState; pid: number | null }> {
    const known = this.#known.get(id);
    if (known === undefined) return { state: "stopped", pid: null };
    if (await known.supervisor.isRunning())
      return { state: known.status === null ? "starting" : "running", pid: known.supervisor.pid };
    return { state: known.supervisor.hasFailed ? "failed" : "stopped", pid: null };
  }
}
