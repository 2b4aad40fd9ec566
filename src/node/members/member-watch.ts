import type { MemberAt } from "../../drivers/index.ts";
import type { GenerationRecord } from "./generation-records.ts";
import {
  isAnswering,
  observe,
  seenProblem,
  showsEverywhere,
  showsOther,
  type Seen,
} from "./observation.ts";

const observeEveryMs = 5_000;
/** While something is not as it should be. */
const observeSoonMs = 1_000;
/** What a port shows for a moment during a change counts for nothing. */
const otherSeenMin = 2;

type Installed = GenerationRecord | null;

/** When a member was asked, and of what state its answer speaks. */
interface Moment {
  readonly pid: number | null;
  readonly generation: number | undefined;
}

/** Asks a member how it is, again and again, in the background: one that hangs holds up nothing. */
export class MemberWatch {
  readonly #onNews: () => void;
  #seen: Seen | null = null;
  #moment: Moment | null = null;
  #asking: Promise<void> | null = null;
  #asked = 0;
  #askedAtMs = -Infinity;
  #otherSeen = 0;

  constructor(onNews: () => void) {
    this.#onNews = onNews;
  }

  /** What it said and showed last; null while it was never asked. */
  get seen(): Seen | null {
    return this.#seen;
  }

  /** How often it was asked, and answered or not. */
  get asked(): number {
    return this.#asked;
  }

  /** Null: not known yet. */
  get isAnswering(): boolean | null {
    return this.#seen && isAnswering(this.#seen);
  }

  /** True if this very process has answered. */
  hasAnswered(pid: number | null): boolean {
    return this.isAnswering === true && this.#moment?.pid === pid;
  }

  /** True if every port was seen to show the generation that is installed. */
  shows(installed: Installed): boolean {
    return this.#seen !== null && installed !== null && showsEverywhere(this.#seen, installed.leaf);
  }

  /** True if ports show another one, and go on to. */
  showsOther(): boolean {
    return this.#otherSeen >= otherSeenMin;
  }

  /** Why what was seen is not as it should be; what was seen before a change says nothing of it. */
  problem(installed: Installed): string | null {
    if (this.#seen === null || this.#moment?.generation !== installed?.number) return null;
    return seenProblem(this.#seen, installed);
  }

  /** After a change: it is asked at once, and what it was asked before is passed over. */
  again(): void {
    this.#otherSeen = 0;
    this.#askedAtMs = -Infinity;
    this.#asking = null;
  }

  /** Asks, if it is time to. */
  look(member: MemberAt, of: { pid: number | null; installed: Installed; isWell: boolean }): void {
    const isSettled =
      of.isWell &&
      this.#seen !== null &&
      this.#seen.status?.synchronised !== false &&
      this.#moment?.pid === of.pid;
    const pauseMs = isSettled ? observeEveryMs : observeSoonMs;
    if (this.#asking !== null || performance.now() - this.#askedAtMs < pauseMs) return;
    const moment = { pid: of.pid, generation: of.installed?.number };
    const asking = observe(member).then((seen) => {
      if (this.#asking !== asking) return;
      this.#asking = null;
      this.#askedAtMs = performance.now();
      const isNews = JSON.stringify([seen, moment]) !== JSON.stringify([this.#seen, this.#moment]);
      this.#take(seen, moment, of.installed);
      if (isNews) this.#onNews();
    });
    this.#asking = asking;
  }

  #take(seen: Seen, moment: Moment, installed: Installed): void {
    this.#seen = seen;
    this.#moment = moment;
    this.#asked += 1;
    const isOther = installed !== null && showsOther(seen, installed.leaf);
    this.#otherSeen = isOther ? this.#otherSeen + 1 : 0;
  }
}
