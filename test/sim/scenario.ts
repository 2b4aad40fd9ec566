import { isOpen } from "../../src/planning/index.ts";
import { noFaults, type Faults } from "./network.ts";
import { People, type Deed } from "./people.ts";
import { lagOf } from "./lag.ts";
import { Safety } from "./safety.ts";
import { World, type WorldOptions } from "./world.ts";

/** One generated history of a domain. */
export interface Scenario extends WorldOptions {
  readonly hosts: number;
  readonly instances: number;
  readonly relyingParties: number;
  readonly faults: Faults;
  /** Share of effects before which the process that was about to act crashes. */
  readonly crashes: number;
  readonly deeds: readonly (Deed & { readonly afterMs: number })[];
}

/** What happens at exactly one effect, counted from the moment when the domain is built. */
export interface Aim {
  /** The process that is about to act crashes instead. */
  readonly crashAt?: number;
  /** A person takes the rollout back. */
  readonly rollBackAt?: number;
}

const stepsMax = 60_000;
const calmMsMax = 3_600_000;
/** Steps that a counterexample shows. */
const historyShown = Number(process.env["GATEHOUSE_SIM_HISTORY"] ?? 40);

/** Processes of the domain: these crash. */
const ofDomain = /^(nodemanager|instance)-/;
/** Steps that only let time pass: a crash there is one before the next effect. */
const waits = /^(pause|retry|listen|leader|follow|wait)/;

/** What a run ended with. */
export interface Outcome {
  readonly steps: number;
  /** Effects of the domain's processes from the first deed on. */
  readonly effects: number;
  readonly statuses: readonly string[];
}

/** Thrown when a property does not hold: says what, when, and the last effects before. */
class Counterexample extends Error {}

/** Plays a scenario to its end. Throws `Counterexample`. */
export async function play(scenario: Scenario, aim: Aim = {}): Promise<Outcome> {
  const run = new Run(scenario, aim);
  try {
    return await run.play();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #scenario: Scenario;
  readonly #aim: Aim;
  #world: World | null = null;
  #people: People | null = null;
  #safety: Safety | null = null;
  #effects = 0;
  /** The domain is built: effects are counted from here. */
  #isLive = false;
  #isFaulty = false;
  readonly #history: string[] = [];

  constructor(scenario: Scenario, aim: Aim) {
    this.#scenario = scenario;
    this.#aim = aim;
  }

  get world(): World {
    if (this.#world === null) throw new Error("the run has not begun");
    return this.#world;
  }

  get people(): People {
    if (this.#people === null) throw new Error("the run has not begun");
    return this.#people;
  }

  async play(): Promise<Outcome> {
    this.#world = await World.create(this.#scenario);
    this.#people = new People(this.world);
    this.#safety = new Safety(this.world);
    await this.#build();
    await this.#live();
    await this.#calmDown();
    return {
      steps: this.world.schedule.steps,
      effects: this.#effects,
      statuses: (this.world.truth?.rollouts ?? []).map(({ status }) => status),
    };
  }

  async close(): Promise<void> {
    await this.#world?.store.close();
  }

  /** The domain before anything happens to it. */
  async #build(): Promise<void> {
    const { hosts, instances, relyingParties } = this.#scenario;
    await this.#doing(async () => {
      for (let n = 1; n < hosts; n++) await this.people.joinHost();
      const ids = [...this.world.disks.keys()];
      for (let n = 0; n < instances; n++) {
        const host = ids[(n + 1) % ids.length];
        if (host !== undefined) await this.people.createInstance(host);
      }
      for (let n = 0; n < relyingParties; n++) await this.people.createRelyingParty();
    });
    await this.#until("the domain is built", () => this.#unsettled().length === 0);
  }

  async #live(): Promise<void> {
    const { deeds, faults } = this.#scenario;
    this.world.network.faults = faults;
    this.#isLive = true;
    this.#isFaulty = true;
    await this.#doing(async () => {
      for (const deed of deeds) {
        await this.world.schedule.sleep(this.people.life, "think", deed.afterMs);
        await this.people.act(deed);
        await this.people.waiveUnmanaged();
      }
    });
    const faultsEndMs = this.world.clock.nowMs() + 5_000;
    await this.#until("faults stop", () => this.world.clock.nowMs() > faultsEndMs);
    this.#isFaulty = false;
  }

  /** No faults any more: every rollout ends, and every credential fits what is desired. */
  async #calmDown(): Promise<void> {
    const { network, schedule } = this.world;
    network.faults = noFaults;
    network.away.clear();
    schedule.spawn(this.people.life, "tidy up", async () => {
      for (;;) {
        await this.people.tidyUp();
        await schedule.sleep(this.people.life, "look again", 5_000);
      }
    });
    const endMs = this.world.clock.nowMs() + calmMsMax;
    await this.#until("everything is as desired", () => this.#unsettled().length === 0, endMs);
  }

  async #doing(work: () => Promise<void>): Promise<void> {
    let isDone = false;
    this.world.schedule.spawn(this.people.life, "act", async () => {
      await work();
      isDone = true;
    });
    await this.#until("people are done", () => isDone);
  }

  #unsettled(): string[] {
    const { truth } = this.world;
    if (truth === null) return ["there is no domain"];
    const open = truth.rollouts.filter(isOpen).map(({ id, status, done }) => {
      const last = done.at(-1);
      const waits = this.world.waitsFor.get(id)?.map(({ code, subject }) => `${code} ${subject}`);
      return `${id} is ${status} at ${last?.step.id ?? "its start"} (${waits?.join(", ") ?? ""})`;
    });
    return [...open, ...truth.topology.hosts.flatMap(({ id }) => lagOf(this.world, id, truth))];
  }

  async #until(what: string, isReached: () => boolean, endMs = Infinity): Promise<void> {
    const { schedule, clock } = this.world;
    const stepsEnd = schedule.steps + stepsMax;
    while (!isReached()) {
      if (schedule.steps > stepsEnd || clock.nowMs() > endMs)
        throw this.#counterexample(`not reached: ${what}: ${this.#unsettled().join("; ")}`);
      if (!(await this.#step())) throw this.#counterexample(`nothing goes on: ${what}`);
    }
  }

  async #step(): Promise<boolean> {
    const next = this.world.schedule.choose();
    if (next === undefined) return false;
    const isEffect = this.#isLive && ofDomain.test(next.life.name) && !waits.test(next.what);
    if (isEffect) this.#effects += 1;
    if (isEffect && this.#effects === this.#aim.rollBackAt)
      this.world.schedule.spawn(this.people.life, "roll back", () =>
        this.people.act({ do: "roll-back" }),
      );
    if (isEffect && this.#isCrashDue()) {
      this.#note(`CRASH of ${next.life.name} before ${next.what}`);
      this.world.crash(next.life);
    } else {
      this.#note(`${next.life.name}: ${next.what}`);
      await next.goOn();
    }
    const [violation] = this.#safety?.violations() ?? [];
    if (violation !== undefined) throw this.#counterexample(violation);
    return true;
  }

  #isCrashDue(): boolean {
    if (this.#effects === this.#aim.crashAt) return true;
    return this.#isFaulty && this.world.rng.happens(this.#scenario.crashes);
  }

  #note(text: string): void {
    this.#history.push(`${this.world.clock.nowMs() % 10_000_000} ${text}`);
  }

  #counterexample(text: string): Counterexample {
    const { truth } = this.world;
    const rollout = truth?.rollouts.find(isOpen);
    const phase = rollout?.done.at(-1)?.step.id ?? "no rollout";
    return new Counterexample(
      [
        `${text} (${phase}, step ${this.world.schedule.steps})`,
        ...this.#history.slice(-historyShown),
      ].join("\n"),
    );
  }
}
