import { DomainError, type Clock } from "../kit/index.ts";
import { RenewalQueue, type Policy } from "../control/index.ts";

/** Below the time after which a Node Manager goes to another Admin Node Manager. */
const waitMsMax = 2_000;

interface Turn {
  readonly begin: () => void;
  readonly refuse: (error: DomainError) => void;
}

/**
 * Lets renewals through in the order of their deadlines, as fast as the policy allows. After a long
 * absence of the control plane all that are overdue come at once.
 */
export class RenewalGate {
  readonly #queue: RenewalQueue<Turn>;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    { renewalsPerSecond }: Pick<Policy, "renewalsPerSecond">,
    clock: Pick<Clock, "monotonicMs">,
  ) {
    this.#queue = new RenewalQueue({ perSecond: renewalsPerSecond, waitMsMax });
    this.#clock = clock;
  }

  /** Resolves when the renewal's turn has come. Throws `rate-limited`, with `retryAfterMs` in the context. */
  enter(deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.enter({ begin: resolve, refuse: reject }, deadlineMs, this.#clock.monotonicMs());
      // What arrives in the same moment is put into its order first.
      if (this.#timer === undefined) this.#timer = setTimeout(() => this.#look(), 0);
    });
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    const { admitted, sentAway, nextLookAtMs } = this.#queue.look(nowMs);
    for (const { begin } of admitted) begin();
    for (const { item, retryAfterMs } of sentAway) item.refuse(comeAgain(retryAfterMs));
    this.#timer =
      nextLookAtMs === null
        ? undefined
        : setTimeout(() => this.#look(), Math.max(1, nextLookAtMs - nowMs));
  }
}

function comeAgain(retryAfterMs: number): DomainError {
  return new DomainError(
    "rate-limited",
    `more urgent renewals come first: ask again in ${Math.ceil(retryAfterMs / 1000)} s`,
    { context: { retryAfterMs } },
  );
}
