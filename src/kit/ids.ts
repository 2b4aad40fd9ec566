/** An identifier of one kind, so that two kinds cannot be mixed up. */
export type Id<Kind extends string> = string & { readonly __kind: Kind };

export type HostId = Id<"host">;
export type GroupId = Id<"group">;
/** `nodemanager-1`, `instance-1` or `member-1`: one process of the domain. */
export type ProcessId = Id<"process">;
export type ServiceId = Id<"service">;
/** `nodemanager-1/management`, `instance-1/traffic`. */
export type CredentialId = Id<"credential">;
export type AuthorityId = Id<"authority">;
export type PlanId = Id<"plan">;
export type RolloutId = Id<"rollout">;
export type RelyingPartyId = Id<"relying-party">;
