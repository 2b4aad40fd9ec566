import { setTimeout as sleep } from "node:timers/promises";
import { describeError, DomainError, isDomainError } from "../../kit/index.ts";
import type { MemberLayout, MemberStatus } from "../../domain/index.ts";
import type { WantedMember } from "../../contract/index.ts";
import { ensureFolder } from "../../keys/index.ts";
import {
  installedState,
  installGenerationOf,
  memberAt,
  recoverMember,
  traitsOf,
  type Description,
  type InstalledState,
  type MemberAt,
  type ServerState,
} from "../../drivers/index.ts";
import type { NodeState } from "../node-state.ts";
import { Supervisor } from "../supervisor.ts";
import { boundLog } from "./bounded-log.ts";
import {
  isSameCombination,
  readRecords,
  recordGeneration,
  writeRecords,
  type GenerationRecord,
} from "./generation-records.ts";
import { knownAnchors, wantedGeneration, type WantedGeneration } from "./material.ts";
import { needsInstall, nextStep } from "./next-step.ts";
import {
  isAnswering,
  observe,
  seenProblem,
  showsEverywhere,
  showsOther,
  type Seen,
} from "./observation.ts";
import { Refusals } from "./refusal.ts";
import { serverProgram } from "./server-program.ts";

const observeEveryMs = 5_000;
/** While something is not as it should be. */
const observeSoonMs = 1_000;
const restartPollMs = 50;
const stopWithinSecondsDefault = 15;
const servedWithinSecondsDefault = 30;
const backWithinSecondsDefault = 60;
/** A change by somebody's hand is reported for this long, though it is put right at once. */
const reportChangedMs = 15_000;
/** What a port shows for a moment during a change counts for nothing. */
const otherSeenMin = 2;

/** One member on this host: brought to what is desired, a look at a time, and watched meanwhile. */
export class MemberKeeper {
  readonly #state: NodeState;
  readonly #layout: MemberLayout;
  #wanted: WantedMember;
  #supervisor: Supervisor | null = null;
  #acting: Promise<void> | null = null;
  #observing: Promise<void> | null = null;
  #observedAtMs = -Infinity;
  /** What it said and showed last, while its server used the generation `of`. */
  #seen: (Seen & { readonly of: number | undefined }) | null = null;
  #otherSeen = 0;
  #answeredPid: number | null = null;
  readonly #refusals = new Refusals();
  /** Why the last look did not come to its end. */
  #error: string | null = null;
  #records: readonly GenerationRecord[] | null = null;
  #installed: GenerationRecord | null = null;
  /** The number of a generation whose files are not as they were written. */
  #spoilt: number | null = null;
  /** What was brought to the files of a server that did not run. */
  #placed: string | null = null;
  #isRecovered = false;
  #changed: { readonly paths: readonly string[]; readonly untilMs: number } | null = null;

  constructor(state: NodeState, wanted: WantedMember) {
    this.#state = state;
    this.#wanted = wanted;
    this.#layout = state.layout.member(wanted.id);
  }

  /** The generation that its server uses: the last that worked; null before the first. */
  get installed(): GenerationRecord | null {
    return this.#installed;
  }

  /** What it said last; null while it does not answer. */
  get status(): MemberStatus | null {
    return this.#seen?.status ?? null;
  }

  /** True if every port was seen to show the certificate that is installed. */
  get isShown(): boolean {
    const [seen, installed] = [this.#seen, this.#installed];
    return seen !== null && installed !== null && showsEverywhere(seen, installed.leaf);
  }

  /** Why its server did not take what is wanted. */
  get refusal(): string | null {
    return this.#refusals.reason;
  }

  get changedFiles(): readonly string[] {
    const changed = this.#changed;
    return changed === null || performance.now() > changed.untilMs ? [] : changed.paths;
  }

  get problem(): string | null {
    const { supervised, enabled } = this.#wanted;
    if (supervised && !enabled) return null;
    const ofProcess = this.#supervisor?.lastError ?? null;
    return (
      this.#refusals.reason ??
      this.#error ??
      (ofProcess === null ? null : `its process: ${ofProcess}`) ??
      // What was seen before a change says nothing of it.
      (this.#seen?.of === this.#installed?.number && this.#seen !== null
        ? seenProblem(this.#seen, this.#installed)
        : null)
    );
  }

  async processState(): Promise<{
    state: "running" | "starting" | "stopped" | "failed";
    pid: number | null;
    lastError: string | null;
  }> {
    const isSeen = this.#seen !== null && isAnswering(this.#seen);
    const supervisor = this.#supervisor;
    if (supervisor === null) {
      const state = this.#seen === null ? "starting" : isSeen ? "running" : "failed";
      return { state, pid: null, lastError: isSeen ? null : this.problem };
    }
    const isAlive = await supervisor.isRunning();
    const { pid, hasFailed, lastError } = supervisor;
    if (!isAlive) return { state: hasFailed ? "failed" : "stopped", pid: null, lastError };
    if (isSeen && this.#answeredPid === pid) return { state: "running", pid, lastError: null };
    return { state: "starting", pid, lastError };
  }

  /** Looks at the member; resolves when this look is over. One that is under way goes on. */
  look(wanted: WantedMember): Promise<void> {
    this.#wanted = wanted;
    this.#acting ??= this.#act().finally(() => {
      this.#acting = null;
    });
    return this.#acting;
  }

  /** Stops one that is supervised. True when nothing of it runs or is under way any more. */
  async end(): Promise<boolean> {
    if (this.#acting !== null) return false;
    const supervisor = this.#supervisor;
    if (supervisor === null) return true;
    await supervisor.keepStopped(performance.now());
    return !(await supervisor.isRunning());
  }

  async #act(): Promise<void> {
    const before = this.#facts();
    try {
      this.#error = await this.#converge();
    } catch (error) {
      this.#error = describeError(error);
    }
    const { id } = this.#wanted;
    if (this.#error !== null && this.#error !== before.error && this.#error !== this.refusal)
      this.#state.log.warn({ member: id, error: this.#error }, "the member is not as desired");
    if (JSON.stringify(this.#facts()) !== JSON.stringify(before)) this.#state.wake();
  }

  #facts() {
    const { installed, changedFiles, refusal } = this;
    return { error: this.#error, number: installed?.number, changedFiles, refusal };
  }

  /** Returns what is waited for, null for nothing. */
  async #converge(): Promise<string | null> {
    const wanted = this.#wanted;
    const member = this.#resolve(wanted);
    const { description } = member;
    if (!this.#isRecovered) {
      await ensureFolder(this.#layout.folder, 0o700);
      await recoverMember(description);
      this.#isRecovered = true;
    }
    const supervisor = this.#supervisorOf(wanted, description);
    const files = await this.#readFiles(description);
    let waitsFor: string | null = null;
    const generation = await wantedGeneration(this.#state, wanted, description).catch(
      (error: unknown) => {
        waitsFor = describeError(error);
        return null;
      },
    );
    if (generation === null) waitsFor ??= "it has no certificate yet: one is waited for";
    const key = JSON.stringify([wanted.description, wanted.variables, generation?.record.content]);
    this.#refusals.want(key);
    const situation = {
      supervised: supervisor !== null,
      enabled: wanted.enabled,
      isRunning: await this.#isRunning(),
      wanted: generation?.record ?? null,
      current: files.current,
      good: files.good,
      goodIs: this.#installed,
      hasChangedFiles: files.changed.length > 0 || this.#showsOther(description),
      isPlaced: this.#placed === key,
      mayInstall: this.#refusals.mayTry(performance.now()),
    };
    if (!needsInstall(situation)) this.#refusals.forget();
    const install = async (serverIs: ServerState): Promise<void> => {
      if (generation !== null) await this.#install(member, generation, { files, key, serverIs });
    };
    const step = nextStep(situation);
    if (step.do === "stop")
      await supervisor?.keepStopped(performance.now(), stopMsMax(description));
    if (step.do === "install") await install("running");
    if (step.do.startsWith("place")) await install("stopped");
    if (step.do === "start") await recoverMember(description);
    if (supervisor !== null && wanted.enabled && (situation.isRunning || step.do.endsWith("start")))
      await supervisor.keepRunning(performance.now());
    if (step.do === "place-and-start" && supervisor?.pid !== null) await install("started");
    if (supervisor !== null) await boundLog(this.#layout.log);
    this.#watch(member);
    return waitsFor;
  }

  async #isRunning(): Promise<boolean | null> {
    if (this.#supervisor !== null) return this.#supervisor.isRunning();
    return this.#seen && isAnswering(this.#seen);
  }

  #resolve(wanted: WantedMember): MemberAt {
    const trusted = [...wanted.trusts, ...(this.#installed?.trusts ?? [])];
    const { document } = this.#state.trust;
    const member = memberAt(wanted, knownAnchors(document, wanted, trusted));
    return wanted.supervised ? { ...member, restart: () => this.#restart(member) } : member;
  }

  #supervisorOf(wanted: WantedMember, { name, folder, start }: Description): Supervisor | null {
    if (!wanted.supervised) this.#supervisor = null;
    else if (start === undefined)
      throw new DomainError(
        "invalid-input",
        `${wanted.name} is to be started here, and its driver ${name} does not say how: add start, or declare it as not supervised`,
      );
    else {
      const { log: logFile, runFile } = this.#layout;
      const program = serverProgram({
        name: wanted.id,
        current: () => {
          const { start: now = start } = this.#resolve(this.#wanted).description;
          return { start: now, folder };
        },
        logFile,
        runFile,
      });
      this.#supervisor ??= new Supervisor(this.#state, program);
    }
    return this.#supervisor;
  }

  async #readFiles(description: Description): Promise<InstalledState> {
    this.#records ??= await readRecords(this.#layout.generations);
    const files = await installedState(description);
    this.#installed = this.#records.find(({ number }) => number === files.good) ?? null;
    if (files.changed.length > 0) {
      const paths = files.changed.map(({ path, problem }) => `${path} (${problem})`);
      if (this.changedFiles.join() !== paths.join())
        this.#state.log.warn(
          { member: this.#wanted.id, files: paths },
          "files of the member were changed by somebody else",
        );
      this.#changed = { paths, untilMs: performance.now() + reportChangedMs };
    }
    return files;
  }

  /** It can be had to read its files again without being away. */
  #showsOther(description: Description): boolean {
    return this.#otherSeen >= otherSeenMin && traitsOf(description).keyBy === "reload";
  }

  async #install(
    member: MemberAt,
    { material, record }: WantedGeneration,
    { files, key, serverIs }: { files: InstalledState; key: string; serverIs: ServerState },
  ): Promise<void> {
    const known = this.#records ?? [];
    const newest = known.at(-1)?.number;
    const isChanged = files.changed.length > 0 && files.current === newest;
    const used = [files.current ?? 0, files.good ?? 0];
    const isUsable = !isChanged && newest !== this.#spoilt;
    const records = recordGeneration(known, record, { isUsable, used });
    if (records !== known) await writeRecords(this.#layout.generations, records);
    this.#records = records;
    const sequence = records.at(-1)?.number ?? 0;
    const { id } = this.#wanted;
    const about = { member: id, generation: sequence, sequence: record.sequence };
    try {
      const isSameTrust =
        this.#installed !== null &&
        isSameCombination({ ...this.#installed, sequence: record.sequence }, record);
      const patient = withPatience(member, serverIs, isSameTrust);
      await installGenerationOf(patient, { sequence, material }, serverIs);
    } catch (error) {
      if (isCausedBy(error, "state-corrupt") || isCausedBy(error, "conflict"))
        this.#spoilt = sequence;
      this.#refusals.refused(key, describeError(error), performance.now());
      this.#state.log.warn(
        { ...about, error: this.refusal },
        "the member did not take a generation",
      );
      throw error;
    } finally {
      this.#lookAgain();
    }
    this.#placed = serverIs === "stopped" ? key : null;
    if (serverIs === "stopped") return;
    this.#installed = records.at(-1) ?? null;
    this.#refusals.forget();
    this.#state.log.info({ ...about, trusts: record.trusts }, "the member uses another generation");
  }

  /** Ends its process and starts it again; returns when it was started. */
  async #restart({ description }: MemberAt): Promise<void> {
    const supervisor = this.#supervisor;
    if (supervisor === null) return;
    while (await supervisor.isRunning()) {
      await supervisor.keepStopped(performance.now(), stopMsMax(description));
      await sleep(restartPollMs);
    }
    await supervisor.keepRunning(performance.now());
  }

  /** After a change: what was asked before it is passed over. */
  #lookAgain(): void {
    this.#otherSeen = 0;
    this.#observedAtMs = -Infinity;
    this.#observing = null;
  }

  /** In the background: a member that hangs holds up nothing. */
  #watch(member: MemberAt): void {
    const pid = this.#supervisor?.pid ?? null;
    const isWell = this.#seen !== null && this.problem === null && this.#answeredPid === pid;
    const pauseMs = isWell ? observeEveryMs : observeSoonMs;
    if (this.#observing !== null || performance.now() - this.#observedAtMs < pauseMs) return;
    const of = this.#installed?.number;
    const observing = observe(member).then((seen) => {
      if (this.#observing !== observing) return;
      this.#observing = null;
      this.#observedAtMs = performance.now();
      this.#take({ ...seen, of }, pid);
    });
    this.#observing = observing;
  }

  #take(seen: Seen & { readonly of: number | undefined }, pid: number | null): void {
    const isNews = JSON.stringify(seen) !== JSON.stringify(this.#seen);
    this.#seen = seen;
    if (isAnswering(seen)) this.#answeredPid = pid;
    const isOther = this.#installed !== null && showsOther(seen, this.#installed.leaf);
    this.#otherSeen = isOther ? this.#otherSeen + 1 : 0;
    if (isNews) this.#state.wake();
  }
}

function stopMsMax({ start }: Description): number {
  return (start?.stopWithinSeconds ?? stopWithinSecondsDefault) * 1000;
}

/** Gives a server that is started as much time to show its certificate as its driver says that it needs. */
function withPatience(member: MemberAt, serverIs: ServerState, isSameTrust: boolean): MemberAt {
  const { description } = member;
  const {
    servedWithinSeconds = servedWithinSecondsDefault,
    backWithinSeconds = backWithinSecondsDefault,
  } = description;
  const { keyBy, trustBy } = traitsOf(description);
  const isRestart =
    serverIs === "started" || keyBy === "restart" || (trustBy === "restart" && !isSameTrust);
  if (!isRestart) return member;
  const seconds = Math.max(servedWithinSeconds, backWithinSeconds);
  return { ...member, description: { ...description, servedWithinSeconds: seconds } };
}

function isCausedBy(error: unknown, code: "state-corrupt" | "conflict"): boolean {
  if (isDomainError(error, code)) return true;
  return error instanceof Error && error.cause !== undefined && isCausedBy(error.cause, code);
}
