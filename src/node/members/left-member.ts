import type { ProcessId } from "../../kit/index.ts";
import type { NodeState } from "../node-state.ts";
import { Supervisor } from "../supervisor.ts";

/** A member that was deleted while no Node Manager ran: of its driver nothing is known any more. */
export class LeftMember {
  readonly #supervisor: Supervisor;

  constructor(state: NodeState, id: ProcessId) {
    const { runFile } = state.layout.member(id);
    this.#supervisor = new Supervisor(state, {
      name: id,
      runFile,
      find: async () => null,
      start: () => Promise.reject(new Error("invariant broken: it is only stopped")),
    });
  }

  /** Stops it, if this host started it. True when it does not run. */
  async end(): Promise<boolean> {
    await this.#supervisor.keepStopped(performance.now());
    return !(await this.#supervisor.isRunning());
  }
}
