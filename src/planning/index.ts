export { callCounts, canaryIsWorse } from "./canary.ts";
export type { ForeignCertificate } from "./foreign-holders.ts";
export { blockersOf } from "./gate.ts";
export { horizonOf, type End, type Horizon } from "./horizon.ts";
export {
  planReplaceLeaves,
  planRotateCa,
  planTakeOver,
  type PlanRequest,
  type RotationRequest,
} from "./make-plan.ts";
export { nextMove, type Move } from "./next-move.ts";
export type {
  Condition,
  Edit,
  GivenAuthority,
  Phase,
  Plan,
  PlanKind,
  Step,
  Succession,
} from "./plan.ts";
export { rollbackSteps } from "./rollback.ts";
export {
  changesTrust,
  isOpen,
  phaseOf,
  type AppliedStep,
  type CredentialBefore,
  type Rollout,
  type RolloutStatus,
  type Waiver,
} from "./rollout.ts";
export type { Strategy } from "./service-plan.ts";
export { illnessOf } from "./service-gate.ts";
export { arrangeEvidence, isSilent, type DomainSnapshot, type Evidence } from "./snapshot.ts";
