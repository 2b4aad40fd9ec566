import { DomainError } from "../kit/index.ts";
import { statement } from "./statement.ts";

/** The column type that databases spell differently. */
export interface ColumnTypes {
  readonly bytes: string;
}

export interface Migration {
  readonly title: string;
  /**
   * How many migrations a version has to know to work with the schema after this one. While Admin
   * Node Managers are upgraded one by one, the previous version shares the schema with the next: what
   * it still uses is added to, and goes away a version later.
   */
  readonly usableFrom: number;
  readonly statements: (types: ColumnTypes) => readonly string[];
}

const document = "id text primary key, document text not null";
const expiring = `${document}, expires_at_ms bigint`;

/** Applied in order, each once, never changed after a release; number 1 is the first. */
export const migrations: readonly Migration[] = [
  {
    title: "first schema",
    usableFrom: 1,
    statements: (types) => [
      "create table counters (name text primary key, value bigint not null)",
      "insert into counters (name, value) values ('revision', 0)",
      `create table domains (${document})`,
      `create table hosts (${document}, document_version bigint not null)`,
      `create table instance_groups (${document})`,
      `create table instances (${document}, host_id text not null)`,
      "create index instances_by_host on instances (host_id)",
      `create table relying_parties (${document})`,
      `create table authorities (${document}, usage text not null, status text not null)`,
      "create unique index authorities_one_current on authorities (usage) where status = 'current'",
      `create table credentials (id text primary key, process text not null, host_id text not null,
        usage text not null, desired text not null, last_sequence bigint not null, recorded text not null)`,
      "create index credentials_by_host on credentials (host_id)",
      `create table issuances (writer text not null, position bigint not null,
        authority_id text not null, serial text not null, kind text not null, credential_id text,
        sequence bigint, subject text not null, fingerprint text not null, spki text not null,
        not_before_ms bigint not null, not_after_ms bigint not null, issued_at_ms bigint not null,
        der ${types.bytes} not null, primary key (writer, position))`,
      "create unique index issuances_one_serial on issuances (authority_id, serial)",
      "create index issuances_by_credential on issuances (credential_id, issued_at_ms)",
      "create table trust_links (epoch bigint primary key, hash text not null, envelope text not null)",
      `create table plans (${document}, position bigint not null)`,
      "create unique index plans_by_position on plans (position)",
      `create table rollouts (${document}, position bigint not null, version bigint not null,
        is_open bigint not null, changes_trust bigint not null)`,
      "create unique index rollouts_by_position on rollouts (position)",
      "create unique index rollouts_one_changes_trust on rollouts (changes_trust) where is_open = 1 and changes_trust = 1",
      `create table host_observations (${document})`,
      `create table relying_party_observations (${document})`,
      `create table users (${document})`,
      `create table sessions (${expiring})`,
      `create table join_tokens (${expiring})`,
      `create table answers (${expiring})`,
      `create table leases (name text primary key, holder text not null,
        fencing_token bigint not null, renewals bigint not null)`,
      `create table audit_records (writer text not null, position bigint not null,
        at_ms bigint not null, actor text not null, action text not null, subject text not null,
        detail text not null, primary key (writer, position))`,
      `create table chain_links (writer text not null, number bigint not null, previous text not null,
        hash text not null, audit_from bigint not null, audit_to bigint not null,
        issuance_from bigint not null, issuance_to bigint not null, primary key (writer, number))`,
      "create table chain_heads (writer text primary key, number bigint not null, hash text not null)",
    ],
  },
  {
    title: "authority keys sealed to those who are to hold them",
    usableFrom: 1,
    statements: () => [
      `create table sealed_keys (authority_id text not null, host_id text not null,
        sealed text not null, primary key (authority_id, host_id))`,
    ],
  },
  {
    title: "requests that are signed elsewhere",
    usableFrom: 1,
    statements: () => [
      `create table signing_requests (${document}, host_id text not null)`,
      "create index signing_requests_by_host on signing_requests (host_id)",
    ],
  },
  {
    title: "services of other vendors' servers",
    usableFrom: 1,
    statements: () => [`create table services (${document})`, `create table members (${document})`],
  },
];

/** Exists before the first migration, so that it can say that none was applied. */
export const createMigrationsTable =
  "create table if not exists schema_migrations (number bigint primary key, title text not null, applied_at_ms bigint not null)";

/** The number of the last migration applied; null before the first. */
export const selectApplied = "select max(number) as number from schema_migrations";

/** `usableFrom` of the schema as it is; no row: that of the last migration applied. */
export const selectUsableFrom = "select value from counters where name = 'schema_usable_from'";

/** Keeps `usableFrom` after a migration. */
export const recordUsableFrom = statement((db, p: { usableFrom: number }) =>
  db
    .insertInto("counters")
    .values({ name: "schema_usable_from", value: p.usableFrom })
    .onConflict((row) => row.column("name").doUpdateSet({ value: p.usableFrom })),
);

/**
 * What is still to be applied, with the numbers. Throws `state-corrupt` for a schema that only
 * versions can use which know more of them than `known`; `where` names the database in that message.
 */
export function pendingMigrations(
  schema: { readonly applied: number; readonly usableFrom: number },
  where: string,
  known: readonly Migration[] = migrations,
): { readonly number: number; readonly migration: Migration }[] {
  if (schema.usableFrom > known.length)
    throw new DomainError(
      "state-corrupt",
      `${where} has schema ${schema.applied}, this version knows up to ${known.length}: run the version that wrote it, or a later one`,
      { context: { schema: schema.applied, known: known.length } },
    );
  return known.map((migration, index) => ({ number: index + 1, migration })).slice(schema.applied);
}

/** Says that a migration was applied. */
export const recordMigration = statement(
  (db, p: { number: number; title: string; appliedAtMs: number }) =>
    db
      .insertInto("schema_migrations")
      .values({ number: p.number, title: p.title, applied_at_ms: p.appliedAtMs }),
);
