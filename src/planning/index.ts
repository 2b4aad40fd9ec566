export type { Condition, Edit, Phase, Plan, PlanKind, Step, Succession } from "./plan.ts";
export {
  authoritiesIn, changesTrust, isOpen, phaseOf,
  type AppliedStep, type Rollout, type RolloutStatus, type Waiver,
} from "./rollout.ts";
