import { performance } from "node:perf_hooks";
import type { Clock } from "../kit/index.ts";

/** The clock of the machine, unjudged. */
export const machineClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
