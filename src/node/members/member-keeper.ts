import { describeError, DomainError, isDomainError, type AuthorityId } from "../../kit/index.ts";
import type { Finding, MemberLayout, MemberStatus } from "../../domain/index.ts";
import type { WantedMember } from "../../contract/index.ts";
import { ensureFolder } from "../../keys/index.ts";
import {
  installedState,
  installGenerationOf,
  memberAt,
  recoverMember,
  restoreFiles,
  traitsOf,
  type Description,
  type InstalledState,
  type MemberAt,
} from "../../drivers/index.ts";
import type { AdminLink } from "../admin-link.ts";
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
import { needsInstall, nextStep, type MemberStep } from "./next-step.ts";
import { MemberCare, type AtLook } from "./member-care.ts";
import { Refusals } from "./refusal.ts";
import { endsEarly, stopMsMax, withTime, type AtInstall } from "./server-timing.ts";
import { serverProgram } from "./server-program.ts";

/** A change by somebody's hand is reported for this long, though it is put right at once. */
const reportChangedMs = 15_000;

/** One member on this host: brought to what is desired, a look at a time, and watched meanwhile. */
export class MemberKeeper {
  readonly #state: NodeState;
  readonly #layout: MemberLayout;
  #wanted: WantedMember;
  #supervisor: Supervisor | null = null;
  #acting: Promise<void> | null = null;
  readonly #care: MemberCare;
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
  #isKnown = false;
  /** Its first generation was just taken. */
  #hasBegun = false;
  #changed: { readonly paths: readonly string[]; readonly untilMs: number } | null = null;

  constructor(state: NodeState, wanted: WantedMember) {
    this.#state = state;
    this.#wanted = wanted;
    this.#layout = state.layout.member(wanted.id);
    this.#care = new MemberCare(state);
  }

  /** False until the first look has seen what is there. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** The generation that its server uses: the last that worked; null before the first. */
  get installed(): GenerationRecord | null {
    return this.#installed;
  }

  /** What it said last; null while it does not answer. */
  get status(): MemberStatus | null {
    return this.#care.status;
  }

  /** True if every port was seen to show the certificate that is installed. */
  get isShown(): boolean {
    return this.#care.shows(this.#installed);
  }

  /** What an examination found that keeps it out, or will. */
  get findings(): readonly Finding[] {
    return this.#care.findings;
  }

  /** Of which of these authorities its server has accepted a probe. */
  accepts(authorities: readonly AuthorityId[]): AuthorityId[] {
    return this.#care.accepts(authorities, this.#atLook());
  }

  /** Has its server proven, in the background, that it accepts an authority's certificates. */
  prove(link: Pick<AdminLink, "call">, authorityId: AuthorityId): void {
    const member = this.#resolve(this.#wanted);
    this.#care.prove(link, authorityId, { ...this.#atLook(), member });
  }

  #atLook(): AtLook {
    const pid = this.#supervisor?.pid ?? null;
    return { wanted: this.#wanted, installed: this.#installed, pid };
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
      this.#care.problem(this.#installed)
    );
  }

  async processState(): Promise<{
    state: "running" | "starting" | "stopped" | "failed";
    pid: number | null;
    lastError: string | null;
  }> {
    const supervisor = this.#supervisor;
    if (supervisor === null) {
      const { isAnswering } = this.#care;
      if (isAnswering === true) return { state: "running", pid: null, lastError: null };
      const state = isAnswering === null ? "starting" : "failed";
      return { state, pid: null, lastError: this.problem };
    }
    const isAlive = await supervisor.isRunning();
    const { pid, hasFailed, lastError } = supervisor;
    if (!isAlive) return { state: hasFailed ? "failed" : "stopped", pid: null, lastError };
    if (this.#care.hasAnswered(pid)) return { state: "running", pid, lastError: null };
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
    const isUntouched = description.visible === "swap" && (files.good ?? 0) === 0;
    const { generation, waitsFor } = await this.#generationFor(wanted, {
      description,
      isUntouched,
    });
    // What an earlier look waited for is no reason while this one is busy.
    this.#error = waitsFor;
    const found = isUntouched ? foundRecord(generation) : null;
    this.#installed = found ?? this.#recordOf(files.good);
    this.#isKnown = true;
    const key = JSON.stringify([wanted.description, wanted.variables, generation?.record.content]);
    this.#refusals.want(key);
    const isPlaced = this.#placed === key && files.changed.length === 0;
    const situation = {
      supervised: supervisor !== null,
      enabled: wanted.enabled,
      isRunning: await this.#isRunning(),
      wanted: generation?.record ?? null,
      ...(found === null ? files : { current: 0, good: 0 }),
      goodIs: this.#installed,
      hasChangedFiles:
        found === null && (files.changed.length > 0 || this.#goesOnWithOther(description)),
      isPlaced,
      mayInstall: this.#refusals.mayTry(performance.now()),
    };
    if (!needsInstall(situation)) this.#refusals.forget();
    const install = async (server: AtInstall): Promise<void> => {
      if (generation !== null) await this.#install(member, generation, { files, key, server });
    };
    // What was found is in use already, wherever it is read from.
    const isInUse = !isUntouched && files.good === null && generation?.record.sequence === 0;
    await this.#do(nextStep(situation).do, { member, install, isPlaced, isInUse });
    if (supervisor !== null) await boundLog(this.#layout.log);
    const hasNewSettings = await this.#care.follow(member, this.#atLook(), this.problem === null);
    // One that has just begun is of no use to anybody without them.
    if (hasNewSettings && this.#hasBegun) await this.#restart(member);
    this.#hasBegun = false;
    return waitsFor;
  }

  async #do(
    step: MemberStep["do"],
    of: {
      readonly member: MemberAt;
      readonly install: (server: AtInstall) => Promise<void>;
      readonly isPlaced: boolean;
      readonly isInUse: boolean;
    },
  ): Promise<void> {
    const { member, install, isPlaced, isInUse } = of;
    const supervisor = this.#supervisor;
    const stopMs = stopMsMax(member.description);
    if (step === "stop") return supervisor?.keepStopped(performance.now(), stopMs);
    if (step === "install") await install(isInUse ? "started" : "running");
    if (step.startsWith("place") && !isPlaced) await install("stopped");
    if (supervisor === null) return;
    if (step === "install" || step === "nothing") {
      // Its failures are forgotten when it has run well.
      if (await supervisor.isRunning()) await supervisor.keepRunning(performance.now());
    } else if ((await this.#start(member, supervisor)) && step === "place-and-start")
      await install((await endsEarly(supervisor, member.description)) ? "ended" : "started");
  }

  /** What is to be installed, null for nothing, and what is waited for before that. */
  async #generationFor(
    wanted: WantedMember,
    of: { readonly description: Description; readonly isUntouched: boolean },
  ): Promise<{ generation: WantedGeneration | null; waitsFor: string | null }> {
    try {
      const generation = await wantedGeneration(this.#state, wanted, of);
      if (generation === "built-in") return { generation: null, waitsFor: null };
      const text = "it has no certificate of a CA that it is to trust yet: one is waited for";
      return { generation, waitsFor: generation === null ? text : null };
    } catch (error) {
      return { generation: null, waitsFor: describeError(error) };
    }
  }

  /** True if it was started: after failures it is not at once. */
  async #start(member: MemberAt, supervisor: Supervisor): Promise<boolean> {
    if (!supervisor.isPausing(performance.now())) {
      await recoverMember(member.description);
      await this.#care.beforeStart(member, this.#wanted);
    }
    await supervisor.keepRunning(performance.now());
    return supervisor.pid !== null;
  }

  async #isRunning(): Promise<boolean | null> {
    if (this.#supervisor !== null) return this.#supervisor.isRunning();
    return this.#care.isAnswering;
  }

  #resolve(wanted: WantedMember): MemberAt {
    const trusted = [...wanted.trusts, ...(this.#installed?.trusts ?? [])];
    const { document } = this.#state.trust;
    const member = memberAt(wanted, knownAnchors(document, wanted, trusted));
    return wanted.supervised ? { ...member, restart: () => this.#restart(member) } : member;
  }

  #supervisorOf(wanted: WantedMember, { name, start }: Description): Supervisor | null {
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
          const { start: now = start, folder } = this.#resolve(this.#wanted).description;
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
    let files = await installedState(description);
    if (files.changed.length > 0 && traitsOf(description).copiesCredentials) {
      // The other member of its pair has; what its server uses it read at its start.
      await restoreFiles(description);
      files = await installedState(description);
    }
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

  #recordOf(number: number | null): GenerationRecord | null {
    return this.#records?.find((record) => record.number === number) ?? null;
  }

  /** It shows another certificate than its files hold, and can read them again without being away. */
  #goesOnWithOther(description: Description): boolean {
    return this.#care.showsOther() && traitsOf(description).keyBy === "reload";
  }

  async #install(
    member: MemberAt,
    { material, record }: WantedGeneration,
    { files, key, server }: { files: InstalledState; key: string; server: AtInstall },
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
    // It is not waited for in vain.
    const serverIs = server === "ended" ? "started" : server;
    const ended = this.#supervisor?.lastError ?? null;
    const about = { member: id, generation: sequence, sequence: record.sequence };
    try {
      const isSameTrust =
        this.#installed !== null &&
        isSameCombination({ ...this.#installed, sequence: record.sequence }, record);
      const timed = withTime(member, server, isSameTrust);
      await installGenerationOf(timed, { sequence, material }, serverIs);
    } catch (error) {
      if (isCausedBy(error, "state-corrupt") || isCausedBy(error, "conflict"))
        this.#spoilt = sequence;
      this.#placed = null;
      const words = ended === null ? "" : `; its process: ${ended}`;
      this.#refusals.refused(key, describeError(error) + words, performance.now());
      this.#state.log.warn(
        { ...about, error: this.refusal },
        "the member did not take a generation",
      );
      throw error;
    } finally {
      this.#care.again();
    }
    this.#placed = serverIs === "stopped" ? key : null;
    if (serverIs === "stopped") return;
    this.#hasBegun = this.#installed === null;
    this.#installed = records.at(-1) ?? null;
    this.#refusals.forget();
    this.#state.log.info({ ...about, trusts: record.trusts }, "the member uses another generation");
  }

  /** Ends its process and starts it again; returns when it was started. */
  async #restart({ description }: MemberAt): Promise<void> {
    await this.#supervisor?.restart(stopMsMax(description));
  }
}

/** What was placed by hand, as the generation 0: it trusts the CA that it is of. */
function foundRecord(wanted: WantedGeneration | null): GenerationRecord | null {
  if (wanted?.record.sequence !== 0) return null;
  return { ...wanted.record, trusts: [wanted.record.authorityId], number: 0 };
}

function isCausedBy(error: unknown, code: "state-corrupt" | "conflict"): boolean {
  if (isDomainError(error, code)) return true;
  return error instanceof Error && error.cause !== undefined && isCausedBy(error.cause, code);
}
