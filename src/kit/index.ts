export { assert, describeError, DomainError, isDomainError, type ErrorContext } from "./errors.ts";
export { errorCodes, type ErrorCode } from "./error-codes.ts";
export { fromHex, toHex } from "./hex.ts";
export type {
  AuthorityId,
  CredentialId,
  GroupId,
  HostId,
  Id,
  PlanId,
  ProcessId,
  RelyingPartyId,
  RolloutId,
  ServiceId,
} from "./ids.ts";
export type { Clock, Rng } from "./ports.ts";
