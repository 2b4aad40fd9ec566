export {
  formatJoinToken,
  returnProofText,
  splitJoinToken,
  type JoinTokenText,
} from "./admission.ts";
export {
  holdersOf,
  isSignedElsewhere,
  maySign,
  type Authority,
  type AuthoritySigning,
  type AuthorityStatus,
  isServiceUsage,
  type AuthorityUsage,
  type ProcessUsage,
  type KeyInToken,
  type SigningPurpose,
} from "./authority.ts";
export {
  credentialId,
  fits,
  forgetSuperseded,
  recordConfirmed,
  recordIssued,
  wantNewer,
  type Credential,
  type DesiredCredential,
  type RecordedKey,
} from "./credential.ts";
export { edgeKey, edgesOf, type Edge, type VerifierId } from "./edges.ts";
export {
  homeLayout,
  instanceLayout,
  type HomeLayout,
  type InstanceLayout,
  type MemberLayout,
  type NodeSettings,
} from "./home-layout.ts";
export type {
  ClusterStatus,
  HighAvailabilityStatus,
  MemberStatus,
  PairRole,
} from "./member-status.ts";
export { checkService } from "./service-rules.ts";
export {
  membersOf,
  wantedRole,
  type ActiveMember,
  type DriverTraits,
  type Member,
  type MemberObservation,
  type Service,
  type ServiceDriver,
  type ServiceShape,
  type WantedRole,
} from "./service.ts";
export { collectFindings, type Finding } from "./finding.ts";
export { documentedStatus, type DocumentedMember } from "./documented-status.ts";
export { isRecent, type SeenMember } from "./member-report.ts";
export { serviceVerdict, type ServiceHealth, type ServiceVerdict } from "./service-verdict.ts";
export {
  remember,
  statusChanges,
  type RememberedChange,
  type StatusChange,
} from "./status-history.ts";
export {
  emptyJournal,
  follows,
  journalText,
  type JournalHead,
  type LocalIssuance,
} from "./issuance-journal.ts";
export {
  checkAddress,
  checkName,
  checkPort,
  isDnsName,
  isIpAddress,
  nameLengthMax,
} from "./names.ts";
export type {
  AdminObservation,
  CredentialObservation,
  EdgeProof,
  HostObservation,
  ProcessObservation,
  ProcessState,
  RelyingPartyObservation,
} from "./observation.ts";
export type { SigningRequest } from "./signing-request.ts";
export { formatSpiffeId, isRole, parseSpiffeId, type Role, type SpiffeId } from "./roles.ts";
export {
  adminProcessOf,
  processesOf,
  revokedRemedy,
  type Dial,
  type Domain,
  type GatewayConfiguration,
  type Group,
  type GroupPassphrase,
  type Host,
  type HostStatus,
  type Instance,
  type MergedJournal,
  type NodeManager,
  type Process,
  type RefusedIssuance,
  type RelyingParty,
  type Route,
  type Topology,
} from "./topology.ts";
export {
  anchorsFor,
  checkSuccession,
  type Anchor,
  type Denial,
  type Envelope,
  type HostDocument,
  type KnownProcess,
  type TrustDocument,
} from "./trust.ts";
export {
  checkPeer,
  conversationBetween,
  conversations,
  type CallerKind,
  type Conversation,
  type PeerCertificate,
  type PeerExpectation,
  type PeerVerdict,
  type Refusal,
} from "./who-may-talk.ts";
export { trustSigningKeyName, type KeyCopies, type KeyCopy } from "./key-copies.ts";
export {
  presentationProofText,
  restoredNumberGap,
  restoredVersionGap,
  type Restoration,
  type RestorationQuestion,
} from "./restoration.ts";
