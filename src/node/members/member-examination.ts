import { describeError } from "../../kit/index.ts";
import type { Finding } from "../../domain/index.ts";
import { examineMember, type ExaminationContext, type MemberAt } from "../../drivers/index.ts";
import type { NodeState } from "../node-state.ts";

const examineEveryMs = 60_000;
/** While something is not as it should be. */
const examineSoonMs = 10_000;

/** Examines a member now and then, in the background: why it is not in, or soon will not be. */
export class MemberExamination {
  readonly #state: Pick<NodeState, "log" | "wake">;
  #findings: readonly Finding[] = [];
  #isUnderWay = false;
  #examinedAtMs = -Infinity;

  constructor(state: Pick<NodeState, "log" | "wake">) {
    this.#state = state;
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** After a change: the next one is due at once. */
  again(): void {
    this.#examinedAtMs = -Infinity;
  }

  /** Begins another one, if it is time to. */
  look(member: MemberAt, context: ExaminationContext, isWell: boolean): void {
    const pauseMs = isWell && this.#findings.length === 0 ? examineEveryMs : examineSoonMs;
    if (this.#isUnderWay || performance.now() - this.#examinedAtMs < pauseMs) return;
    this.#isUnderWay = true;
    void this.#examine(member, context).finally(() => {
      this.#isUnderWay = false;
      this.#examinedAtMs = performance.now();
    });
  }

  async #examine(member: MemberAt, context: ExaminationContext): Promise<void> {
    try {
      const findings = await examineMember(member, context);
      const isNews = JSON.stringify(findings) !== JSON.stringify(this.#findings);
      this.#findings = findings;
      if (isNews) this.#state.wake();
    } catch (error) {
      const about = { member: context.subject, error: describeError(error) };
      this.#state.log.warn(about, "the member could not be examined");
    }
  }
}
