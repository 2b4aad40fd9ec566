import { describeError, DomainError } from "../../kit/index.ts";
import type { MemberStatus, WantedRole } from "../../domain/index.ts";
import { takeRole, type MemberAt } from "../../drivers/index.ts";

const retryMs = 1_000;

/** Has a member of a pair take the role that it is to have, where its driver can. */
export class MemberRole {
  readonly #takeRole: typeof takeRole;
  #error: string | null = null;
  #retryAtMs = -Infinity;
  /** How often the member had been asked when its role was last changed: what it said is of before. */
  #askedBefore = -1;

  constructor(take = takeRole) {
    this.#takeRole = take;
  }

  /** Why it does not have its role. */
  get error(): string | null {
    return this.#error;
  }

  /** Before a start: a member that was active may have to begin as a standby, or with a copy of the data. */
  async beforeStart(member: MemberAt, wanted: WantedRole | null): Promise<void> {
    if (wanted !== null) await this.#step(member, wanted);
  }

  /**
   * One step, if the member says that it does not have it; true if anything was tried. `asked`: how
   * often it has been asked for its status.
   */
  async converge(
    member: MemberAt,
    wanted: WantedRole | null,
    { status, asked }: { readonly status: MemberStatus | null; readonly asked: number },
  ): Promise<boolean> {
    if (wanted === null || status === null || status.role === wanted.role) {
      if (status !== null || wanted === null) this.#error = null;
      return false;
    }
    if (asked <= this.#askedBefore || performance.now() < this.#retryAtMs) return false;
    await this.#step(member, wanted);
    this.#askedBefore = asked;
    return true;
  }

  async #step(member: MemberAt, wanted: WantedRole): Promise<void> {
    try {
      await this.#takeRole(member, wanted);
      this.#error = null;
    } catch (error) {
      const cause = new DomainError(
        "conflict",
        `${member.name} is not the ${wanted.role} one yet`,
        {
          cause: error,
        },
      );
      this.#error = describeError(cause);
      this.#retryAtMs = performance.now() + retryMs;
    }
  }
}
