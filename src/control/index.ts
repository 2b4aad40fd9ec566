export type {
  AccountReader, AccountWriter, AuditEntry, AuditReader, AuditRecord, AuditVerdict, AuthorityReader, AuthorityWriter,
  ChainLink, CredentialReader, CredentialWriter, IdempotentAnswer, Issuance, IssuanceReader, IssuanceWriter, JoinToken,
  Lease, LeaseWriter, ObservationReader, ObservationWriter, RolloutReader, RolloutWriter, Session, Store,
  StoreTransaction, StoreView, TopologyReader, TopologyWriter, TrustLink, TrustReader, TrustWriter, User, UserRole,
} from "./ports.ts";
