import { describeError, DomainError } from "../../kit/index.ts";
import type { MemberStatus, WantedRole } from "../../domain/index.ts";
import { takeRole, type MemberAt } from "../../drivers/index.ts";

/** A hand-over goes on as soon as the other member has done its part. */
const nextStepMs = 250;
const retryMs = 1_000;
/** One that has its role may still have to settle in it: who follows whom, what a promotion put off. */
const settleEveryMs = 5_000;

/** Has a member of a pair take the role that it is to have, where its driver can. */
export class MemberRole {
  readonly #takeRole: typeof takeRole;
  #error: string | null = null;
  #nextAtMs = -Infinity;
  /** How often the member had been asked when a step was last taken: what it said is of before. */
  #askedBefore = -1;

  constructor(take = takeRole) {
    this.#takeRole = take;
  }

  /** Why it does not have its role, or not all that belongs to it. */
  get error(): string | null {
    return this.#error;
  }

  /** Before a start: a member that was active may have to begin as a standby, or with a copy of the data. */
  async beforeStart(member: MemberAt, wanted: WantedRole | null): Promise<void> {
    if (wanted !== null) this.#error = await this.#step(member, wanted, false);
  }

  /**
   * One step, if it is time for one. `asked`: how often it has been asked for its status. Returns
   * whether it has its role, and else whether a step was taken, or its effect is waited for.
   */
  async converge(
    member: MemberAt,
    wanted: WantedRole | null,
    { status, asked }: { readonly status: MemberStatus | null; readonly asked: number },
  ): Promise<"has-it" | "step" | "wait"> {
    if (wanted === null) this.#error = null;
    if (wanted === null || status === null) return "has-it";
    const hasRole = status.role === wanted.role;
    const isOld = !hasRole && asked <= this.#askedBefore;
    if (isOld || (hasRole ? this.#isSettled() : performance.now() < this.#nextAtMs))
      return hasRole ? "has-it" : "wait";
    this.#error = await this.#step(member, wanted, hasRole);
    const pauseMs = this.#error === null ? nextStepMs : retryMs;
    this.#nextAtMs = performance.now() + pauseMs;
    this.#askedBefore = asked;
    return hasRole ? "has-it" : "step";
  }

  #isSettled(): boolean {
    const pauseMs = this.#error === null ? settleEveryMs - nextStepMs : 0;
    return performance.now() < this.#nextAtMs + pauseMs;
  }

  async #step(member: MemberAt, wanted: WantedRole, hasRole: boolean): Promise<string | null> {
    try {
      await this.#takeRole(member, wanted);
      return null;
    } catch (cause) {
      const what = hasRole ? "has not all that belongs to its role" : "does not have its role";
      return describeError(
        new DomainError("conflict", `${member.name} ${what}, ${wanted.role}`, { cause }),
      );
    }
  }
}
