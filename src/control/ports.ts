import type {
  AuthorityId,
  CredentialId,
  GroupId,
  HostId,
  PlanId,
  ProcessId,
  RelyingPartyId,
  RolloutId,
  ServiceId,
} from "../kit/index.ts";
import type {
  Authority,
  AuthorityUsage,
  Credential,
  Domain,
  Envelope,
  Group,
  Host,
  HostObservation,
  Instance,
  Member,
  RelyingParty,
  RelyingPartyObservation,
  Service,
  SigningRequest,
  Topology,
} from "../domain/index.ts";
import type { ForeignCertificate, Plan, Rollout } from "../planning/index.ts";

/**
 * The store. Reads see committed data. A write is one serializable transaction together with its
 * audit record: `work` may run again after a serialization failure, so it must have no other
 * effects; when the promise resolves the transaction is durable. A write that changed desired
 * state (topology, authorities, what is desired of credentials, trust, rollouts) raises the feed
 * revision by one in the same transaction. Issuances, recorded keys, observations, sessions and
 * tokens do not.
 */
export interface Store {
  read<T>(work: (view: StoreView) => Promise<T>): Promise<T>;
  write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  /** Like `write` without an audit record and without the feed: observations, sessions, leases. */
  note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  /** The present feed revision. */
  revision(): Promise<number>;
  /** Resolves as soon as the revision is above `after`, or with the present one at the deadline. */
  waitForRevision(after: number, timeoutMs: number): Promise<number>;
  /** What it held when it was last reached, while it cannot be reached; else null. */
  lastKnown(): LastKnown | null;
  close(): Promise<void>;
}

/** A copy of everything but the logs, as it was at one moment. */
export interface LastKnown {
  readonly asOfMs: number;
  readonly revision: number;
  readonly view: StoreView;
  /** Lets a session count in this copy; it goes away with it. */
  keepSession(session: Session): void;
}

export interface StoreView {
  readonly topology: TopologyReader;
  readonly authorities: AuthorityReader;
  readonly sealedKeys: SealedKeyReader;
  readonly credentials: CredentialReader;
  readonly signingRequests: SigningRequestReader;
  readonly issuances: IssuanceReader;
  readonly trust: TrustReader;
  readonly rollouts: RolloutReader;
  readonly observations: ObservationReader;
  readonly accounts: AccountReader;
  readonly audit: AuditReader;
}

export interface StoreTransaction extends StoreView {
  readonly topology: TopologyWriter;
  readonly authorities: AuthorityWriter;
  readonly sealedKeys: SealedKeyWriter;
  readonly credentials: CredentialWriter;
  readonly signingRequests: SigningRequestWriter;
  readonly issuances: IssuanceWriter;
  readonly trust: TrustWriter;
  readonly rollouts: RolloutWriter;
  readonly observations: ObservationWriter;
  readonly accounts: AccountWriter;
  readonly leases: LeaseWriter;
  /** The feed revision that this transaction read; the same in every attempt's own snapshot. */
  revision(): Promise<number>;
}

/** Who did what to what; the texts end up in the hash-chained audit log. No secrets. */
export interface AuditEntry {
  /** `user:admin`, `host:host-2`, `system:leader`. */
  readonly actor: string;
  /** Stable dotted word: `host.add`, `rollout.start`, `certificate.issue`. */
  readonly action: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}

export interface TopologyReader {
  /** Throws `home-missing` when the store holds no domain yet. */
  domain(): Promise<Domain>;
  hosts(): Promise<Host[]>;
  /** Undefined if there is none. */
  host(id: HostId): Promise<Host | undefined>;
  groups(): Promise<Group[]>;
  instances(hostId?: HostId): Promise<Instance[]>;
  relyingParties(): Promise<RelyingParty[]>;
  services(): Promise<Service[]>;
  members(): Promise<Member[]>;
  /** All of it, from one snapshot. */
  whole(): Promise<Topology>;
}

/** `put` inserts or replaces by id; `remove` of what is not there does nothing. */
export interface TopologyWriter extends TopologyReader {
  putDomain(domain: Domain): Promise<void>;
  putHost(host: Host): Promise<void>;
  removeHost(id: HostId): Promise<void>;
  putGroup(group: Group): Promise<void>;
  removeGroup(id: GroupId): Promise<void>;
  putInstance(instance: Instance): Promise<void>;
  removeInstance(id: ProcessId): Promise<void>;
  putRelyingParty(party: RelyingParty): Promise<void>;
  removeRelyingParty(id: RelyingPartyId): Promise<void>;
  putService(service: Service): Promise<void>;
  removeService(id: ServiceId): Promise<void>;
  putMember(member: Member): Promise<void>;
  removeMember(id: ProcessId): Promise<void>;
  /** The next unused number of a kind, counting from `first`; a number is never given twice. */
  nextNumber(
    kind:
      | "host"
      | "nodemanager"
      | "group"
      | "instance"
      | "relying-party"
      | "authority"
      | "service"
      | "member",
    first: number,
  ): Promise<number>;
  /** Raises the host's document version by one, outside the feed, and returns the new one. */
  raiseDocumentVersion(id: HostId): Promise<number>;
}

export interface AuthorityReader {
  all(): Promise<Authority[]>;
  get(id: AuthorityId): Promise<Authority | undefined>;
  /** The one that signs new requests. Throws `authority-unavailable` if there is none. */
  current(usage: AuthorityUsage): Promise<Authority>;
}

export interface AuthorityWriter extends AuthorityReader {
  /**
   * Inserts or replaces. A second `current` of one usage makes the whole transaction fail, also for
   * a moment: take the status from the present one first.
   */
  put(authority: Authority): Promise<void>;
}

/** An authority's key on its way to a host whose Admin Node Manager is to hold it. */
export interface SealedKey {
  readonly authorityId: AuthorityId;
  readonly hostId: HostId;
  /** JWE in compact form (RFC 7516), for the sealing key of that Admin Node Manager. */
  readonly sealed: string;
}

export interface SealedKeyReader {
  ofHost(hostId: HostId): Promise<SealedKey[]>;
}

export interface SealedKeyWriter extends SealedKeyReader {
  /** Inserts, or replaces that of the same authority and host. */
  put(key: SealedKey): Promise<void>;
  removeOfHost(hostId: HostId): Promise<void>;
}

export interface CredentialReader {
  all(): Promise<Credential[]>;
  ofHost(hostId: HostId): Promise<Credential[]>;
  get(id: CredentialId): Promise<Credential | undefined>;
}

export interface CredentialWriter extends CredentialReader {
  /** Inserts or replaces everything; raises the feed. */
  put(credential: Credential): Promise<void>;
  /** Replaces `lastSequence` and `recorded` only; does not raise the feed. */
  putRecorded(credential: Pick<Credential, "id" | "lastSequence" | "recorded">): Promise<void>;
  remove(id: CredentialId): Promise<void>;
}

export interface SigningRequestReader {
  all(): Promise<SigningRequest[]>;
  ofHost(hostId: HostId): Promise<SigningRequest[]>;
  get(id: CredentialId): Promise<SigningRequest | undefined>;
}

/** Every change raises the feed: the host learns of it, and whoever watches what is waited for. */
export interface SigningRequestWriter extends SigningRequestReader {
  /** Inserts, or replaces that of the same credential. */
  put(request: SigningRequest): Promise<void>;
  remove(id: CredentialId): Promise<void>;
}

/** One X.509 certificate that was really issued; append-only. */
export interface Issuance {
  readonly authorityId: AuthorityId;
  /** Lower-case hexadecimal; unique per authority. */
  readonly serial: string;
  readonly kind: "leaf" | "probe" | "root" | "cross";
  readonly credentialId: CredentialId | null;
  readonly sequence: number | null;
  readonly subject: string;
  /** Hex SHA-256 of the certificate and of its SubjectPublicKeyInfo. */
  readonly fingerprint: string;
  readonly spki: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly issuedAtMs: number;
  readonly der: Uint8Array;
}

/** Where an entry is: each writer (Admin Node Manager) counts its own log from 1, without a gap. */
export interface LogPosition {
  readonly writer: string;
  readonly position: number;
}

/** How far the log of each writer was read: the last position, by writer. Empty: from the first. */
export type LogCursor = Readonly<Record<string, number>>;

export interface IssuanceReader {
  find(authorityId: AuthorityId, serial: string): Promise<Issuance | undefined>;
  /** Newest first. */
  ofCredential(id: CredentialId, limit: number): Promise<Issuance[]>;
  /** Leaf certificates that are no credential's, and have not ended at `nowMs`. */
  foreign(nowMs: number): Promise<ForeignCertificate[]>;
  /** The next ones after what was read, oldest first; those of one writer in their order. */
  page(after: LogCursor, limit: number): Promise<(LogPosition & { readonly issuance: Issuance })[]>;
  count(): Promise<number>;
}

export interface IssuanceWriter extends IssuanceReader {
  /** Fails the transaction when the serial was used before with this authority. */
  append(issuance: Issuance): Promise<void>;
}

export interface TrustReader {
  /** The newest link; undefined before the domain's first. */
  head(): Promise<TrustLink | undefined>;
  /** Links above `epoch` in rising order, at most `limit`. */
  after(epoch: number, limit: number): Promise<TrustLink[]>;
}

export interface TrustLink {
  readonly epoch: number;
  /** Hex SHA-256 of the payload bytes. */
  readonly hash: string;
  readonly envelope: Envelope;
}

export interface TrustWriter extends TrustReader {
  /** Fails unless `epoch` is the head's plus one. */
  append(link: TrustLink): Promise<void>;
}

export interface RolloutReader {
  plan(id: PlanId): Promise<Plan | undefined>;
  plans(limit: number): Promise<Plan[]>;
  /** Newest first. */
  all(limit: number): Promise<Rollout[]>;
  get(id: RolloutId): Promise<Rollout | undefined>;
  /** Those that are not completed or rolled back. */
  open(): Promise<Rollout[]>;
}

export interface RolloutWriter extends RolloutReader {
  putPlan(plan: Plan): Promise<void>;
  /** Writes `rollout` if the stored version is `rollout.version - 1` (0: new); else `conflict`. */
  put(rollout: Rollout): Promise<void>;
}

export interface ObservationReader {
  hosts(): Promise<HostObservation[]>;
  host(id: HostId): Promise<HostObservation | undefined>;
  relyingParties(): Promise<RelyingPartyObservation[]>;
}

export interface ObservationWriter extends ObservationReader {
  putHost(observation: HostObservation): Promise<void>;
  removeHost(id: HostId): Promise<void>;
  putRelyingParty(observation: RelyingPartyObservation): Promise<void>;
}

export type UserRole = "administrator" | "operator";

export interface User {
  readonly name: string;
  readonly role: UserRole;
  /** PHC string of an argon2id hash. */
  readonly passwordHash: string;
  readonly createdAtMs: number;
}

/** Bearer secrets are kept as hex SHA-256 only. */
export interface Session {
  readonly tokenHash: string;
  readonly holder:
    | { readonly kind: "user"; readonly name: string; readonly role: UserRole }
    | { readonly kind: "relying-party"; readonly id: RelyingPartyId };
  /** Null: valid until it is removed. */
  readonly expiresAtMs: number | null;
}

/** Single-use permission to join. */
export interface JoinToken {
  readonly id: string;
  readonly secretHash: string;
  /** Host name the token is for; null: any. */
  readonly hostName: string | null;
  /** True: the host may join as an Admin Node Manager. */
  readonly isAdmin?: boolean;
  readonly createdBy: string;
  readonly expiresAtMs: number;
  readonly usedAtMs: number | null;
  /** The host that it was spent for; absent: not spent, or by a version before. */
  readonly hostId?: HostId;
}

/** The answer that was given to a write, kept to be given again to a repetition. */
export interface IdempotentAnswer {
  /** Hex SHA-256 over caller and key. */
  readonly key: string;
  readonly requestHash: string;
  readonly status: number;
  readonly body: string;
  readonly expiresAtMs: number;
}

export interface AccountReader {
  user(name: string): Promise<User | undefined>;
  /** Expired sessions are not found. */
  session(tokenHash: string, nowMs: number): Promise<Session | undefined>;
  joinToken(id: string): Promise<JoinToken | undefined>;
  answer(key: string, nowMs: number): Promise<IdempotentAnswer | undefined>;
}

export interface AccountWriter extends AccountReader {
  putUser(user: User): Promise<void>;
  putSession(session: Session): Promise<void>;
  removeSession(tokenHash: string): Promise<void>;
  putJoinToken(token: JoinToken): Promise<void>;
  putAnswer(answer: IdempotentAnswer): Promise<void>;
  /** Removes what expired before `nowMs`. */
  sweep(nowMs: number): Promise<void>;
}

export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Rises by one with every claim, also one by the last holder. */
  readonly fencingToken: number;
  /** Rises with every renewal; candidates watch it with their own monotonic clock. */
  readonly renewals: number;
}

export interface LeaseWriter {
  get(name: string): Promise<Lease | undefined>;
  /** Takes the lease if it still is as `seen` (undefined: never held); else `conflict`. */
  claim(name: string, holder: string, seen: Lease | undefined): Promise<Lease>;
  renew(lease: Lease): Promise<Lease>;
  /** Throws `not-leader` unless `fencingToken` is the newest; for use inside a leader's write. */
  require(name: string, fencingToken: number): Promise<void>;
}

/** One link per group commit: it covers every audit record and issuance made durable with it. */
export interface ChainLink {
  readonly writer: string;
  /** 1, 2, 3 ... without a gap, per writer. */
  readonly number: number;
  readonly previous: string;
  readonly hash: string;
  readonly auditFrom: number;
  readonly auditTo: number;
  readonly issuanceFrom: number;
  readonly issuanceTo: number;
}

/** The newest link of a writer's chain. */
export type ChainHead = Pick<ChainLink, "writer" | "number" | "hash">;

export interface AuditRecord extends AuditEntry, LogPosition {
  readonly atMs: number;
}

export interface AuditReader {
  /** The next ones after what was read, oldest first; those of one writer in their order. */
  page(after: LogCursor, limit: number): Promise<AuditRecord[]>;
  links(writer: string, after: number, limit: number): Promise<ChainLink[]>;
  heads(): Promise<ChainHead[]>;
  /** Recomputes every link, and looks for every anchored one; the first that does not verify is named. */
  verify(): Promise<AuditVerdict>;
}

export type AuditVerdict =
  | {
      readonly ok: true;
      readonly links: number;
      readonly records: number;
      readonly issuances: number;
    }
  | { readonly ok: false; readonly writer: string; readonly link: number; readonly text: string };
