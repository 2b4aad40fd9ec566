export { identityInUse, isUsedElsewhere } from "./identity-use.ts";
export {
  createRelyingParty,
  findSession,
  hashSecret,
  logIn,
  logInCutOff,
  logOut,
  newSecret,
} from "./accounts.ts";
export { advanceRollout } from "./advance.ts";
export { AgreedClock, offText, type ClockReading } from "./agreed-clock.ts";
export { desiredStateOf } from "./desired-state.ts";
export { editHost } from "./edit-host.ts";
export { editInstance, renameGroup, setTag } from "./edit-topology.ts";
export type {
  AuthorityKeys,
  ControlEnvironment,
  IssuedLeaf,
  LeafJob,
  PasswordHasher,
  TrustKey,
} from "./environment.ts";
export {
  changeGroupPassphrase,
  groupPassphraseState,
  type SealSecret,
} from "./group-passphrase.ts";
export { setKeyPassphrase } from "./key-passphrase.ts";
export { setHostDial } from "./host-dial.ts";
export { setHostRole } from "./host-role.ts";
export {
  firstHost,
  initializeDomain,
  type FirstAdministrator,
  type InitializeRequest,
} from "./initialize.ts";
export {
  configureGroup,
  createInstance,
  deleteGroup,
  deleteHost,
  deleteInstance,
  deleteRelyingParty,
  setInstanceEnabled,
  type CreateInstanceRequest,
} from "./instances.ts";
export { issueCredential, issueProbe, renewalDeadline, type CredentialIssued } from "./issue.ts";
export { nodeManagerNames } from "./leaf-names.ts";
export { type Admission, type AwaitedAdmission } from "./admission.ts";
export { joinHost } from "./join-host.ts";
export { createJoinToken, parseJoinToken } from "./join-token.ts";
export { approveHost, returnHost, returnMessage } from "./return-host.ts";
export {
  recordObservation,
  isOwnProcessRecorded,
  recordOwnProcess,
  recordRelyingParty,
  type OwnEvidence,
} from "./observe.ts";
export { checkPolicy, defaultPolicy, policyWith, type Policy } from "./policy.ts";
export { renewShort } from "./horizon-minimum.ts";
export type {
  AccountReader,
  AccountWriter,
  AuditEntry,
  AuditReader,
  AuditRecord,
  AuditVerdict,
  AuthorityReader,
  AuthorityWriter,
  ChainHead,
  ChainLink,
  CredentialReader,
  CredentialWriter,
  IdempotentAnswer,
  Issuance,
  IssuanceReader,
  IssuanceWriter,
  JoinToken,
  LastKnown,
  Lease,
  LeaseWriter,
  LogCursor,
  LogPosition,
  ObservationReader,
  ObservationWriter,
  RolloutReader,
  SealedKey,
  SealedKeyReader,
  SealedKeyWriter,
  RolloutWriter,
  Session,
  SigningRequestReader,
  SigningRequestWriter,
  Store,
  StoreTransaction,
  StoreView,
  TopologyReader,
  TopologyWriter,
  TrustLink,
  TrustReader,
  TrustWriter,
  User,
  UserRole,
} from "./ports.ts";
export {
  currentTrust,
  decodeTrust,
  isWaitingForHosts,
  knownCallers,
  knownNodeManager,
  publishTrust,
  requireHost,
} from "./publish-trust.ts";
export { recoverDomain } from "./recover.ts";
export {
  hearHost,
  markRestored,
  pendingRestoration,
  settleRestoration,
  unheardHosts,
  waiveUnheard,
} from "./restoration.ts";
export type { PresentedInstance } from "./restored-hosts.ts";
export { recordKeyCopies } from "./key-copies.ts";
export { restoreAuthority, retireAuthority } from "./restore-authority.ts";
export { RenewalQueue } from "./renewal-queue.ts";
export { revoke, type RevokeRequest } from "./revoke.ts";
export {
  createPlan,
  pauseRollout,
  requirePlan,
  requireRollout,
  resumeRollout,
  rollBack,
  startRollout,
  waiveGate,
  type PlanWish,
} from "./rollouts.ts";
export { recordSealingKey } from "./sealing-key.ts";
export { endKeyMove, findKeyMove, keyProofText, provesKey, type KeyMove } from "./move-keys.ts";
export { authorityChain } from "./authority-chain.ts";
export { importIssuances } from "./import-issuances.ts";
export { mergeIssuances } from "./merge-issuances.ts";
export { destroyableKey, recordKeyDestroyed } from "./destroy-key.ts";
export {
  neverLeaves,
  recordHolder,
  recordImport,
  shareKeys,
  takePlacedKey,
  unshareKeys,
} from "./share-keys.ts";
export { relayedJob } from "./issue.ts";
export { hostDifferences, topologyDifferences } from "./topology-differences.ts";
export {
  asksForAll,
  cancelSigningRequest,
  elsewhereSigned,
  requestSignature,
  type ElsewhereSigned,
} from "./signing-requests.ts";
export { submitCertificates, type Submission } from "./submit-certificates.ts";
export { readSnapshot } from "./snapshot.ts";
export { formatNextCursor, parseLogCursor } from "./log-cursor.ts";
export { anchorAction, anchorHeads, anchorsOf } from "./anchor-heads.ts";
export { LeaseCandidate, type Leadership } from "./leadership.ts";
export {
  applyServices,
  deleteService,
  requireService,
  type AppliedService,
  type ServiceDeclaration,
} from "./services.ts";
export { switchOver } from "./switch-over.ts";
export { renewByPlan } from "./planned-renewals.ts";
