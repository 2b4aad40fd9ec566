/**
 * The tables, for Kysely's types. Columns exist where a query needs them; the rest of a value is
 * JSON in `document`. Truth values are 0 and 1, times are milliseconds since 1970-01-01T00:00:00Z.
 */
export interface Schema {
  schema_migrations: { number: number; title: string; applied_at_ms: number };
  counters: { name: string; value: number };
  domains: DocumentTable;
  hosts: DocumentTable & { document_version: number };
  instance_groups: DocumentTable;
  instances: DocumentTable & { host_id: string };
  relying_parties: DocumentTable;
  services: DocumentTable;
  members: DocumentTable;
  authorities: DocumentTable & { usage: string; status: string };
  sealed_keys: { authority_id: string; host_id: string; sealed: string };
  credentials: {
    id: string;
    process: string;
    host_id: string;
    usage: string;
    desired: string;
    last_sequence: number;
    recorded: string;
  };
  issuances: IssuanceRow;
  signing_requests: DocumentTable & { host_id: string };
  trust_links: { epoch: number; hash: string; envelope: string };
  plans: DocumentTable & { position: number };
  rollouts: DocumentTable & {
    position: number;
    version: number;
    is_open: number;
    changes_trust: number;
  };
  host_observations: DocumentTable;
  relying_party_observations: DocumentTable;
  users: DocumentTable;
  sessions: ExpiringTable;
  join_tokens: ExpiringTable;
  answers: ExpiringTable;
  leases: { name: string; holder: string; fencing_token: number; renewals: number };
  audit_records: AuditRow;
  chain_links: LinkRow;
  chain_heads: { writer: string; number: number; hash: string };
}

interface DocumentTable {
  id: string;
  document: string;
}

interface ExpiringTable extends DocumentTable {
  expires_at_ms: number | null;
}

export interface IssuanceRow {
  position: number;
  writer: string;
  authority_id: string;
  serial: string;
  kind: string;
  credential_id: string | null;
  sequence: number | null;
  subject: string;
  fingerprint: string;
  spki: string;
  not_before_ms: number;
  not_after_ms: number;
  issued_at_ms: number;
  der: Uint8Array;
}

export interface AuditRow {
  position: number;
  writer: string;
  at_ms: number;
  actor: string;
  action: string;
  subject: string;
  detail: string;
}

export interface LinkRow {
  writer: string;
  number: number;
  previous: string;
  hash: string;
  audit_from: number;
  audit_to: number;
  issuance_from: number;
  issuance_to: number;
}
