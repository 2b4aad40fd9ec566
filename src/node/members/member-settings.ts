import { describeError } from "../../kit/index.ts";
import { formMember, type MemberAt } from "../../drivers/index.ts";
import type { NodeState } from "../node-state.ts";

const retryMs = 5_000;

/** Gives a member's server the settings that its driver sends, when they are others than before. */
export class MemberSettings {
  readonly #log: NodeState["log"];
  #sent: string | null = null;
  #error: string | null = null;
  #retryAtMs = -Infinity;

  constructor(log: NodeState["log"]) {
    this.#log = log;
  }

  /** Why its server did not take them. */
  get error(): string | null {
    return this.#error;
  }

  /** True if the server has others now, which take effect with its next restart only. */
  async converge(member: MemberAt): Promise<boolean> {
    const wanted = JSON.stringify([member.settings, member.others]);
    if (member.settings === undefined || wanted === this.#sent) return false;
    if (performance.now() < this.#retryAtMs) return false;
    try {
      const needsRestart = await formMember(member);
      this.#sent = wanted;
      this.#error = null;
      if (needsRestart)
        this.#log.warn(
          { member: member.name },
          "settings of the member take effect with its next restart",
        );
      return needsRestart;
    } catch (error) {
      this.#error = describeError(error);
      this.#retryAtMs = performance.now() + retryMs;
      return false;
    }
  }
}
