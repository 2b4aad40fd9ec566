import type { Schema } from "./schema.ts";
import { statement, type Query } from "./statement.ts";

/** Every table but the record of migrations, with all its columns; the logs come last. */
const columns = {
  counters: ["name", "value"],
  domains: ["id", "document"],
  hosts: ["id", "document", "document_version"],
  instance_groups: ["id", "document"],
  instances: ["id", "document", "host_id"],
  services: ["id", "document"],
  members: ["id", "document"],
  relying_parties: ["id", "document"],
  authorities: ["id", "document", "usage", "status"],
  sealed_keys: ["authority_id", "host_id", "sealed"],
  credentials: ["id", "process", "host_id", "usage", "desired", "last_sequence", "recorded"],
  signing_requests: ["id", "document", "host_id"],
  trust_links: ["epoch", "hash", "envelope"],
  plans: ["id", "document", "position"],
  rollouts: ["id", "document", "position", "version", "is_open", "changes_trust"],
  host_observations: ["id", "document"],
  relying_party_observations: ["id", "document"],
  users: ["id", "document"],
  sessions: ["id", "document", "expires_at_ms"],
  join_tokens: ["id", "document", "expires_at_ms"],
  answers: ["id", "document", "expires_at_ms"],
  leases: ["name", "holder", "fencing_token", "renewals"],
  chain_heads: ["writer", "number", "hash"],
  issuances: [
    "writer",
    "position",
    "authority_id",
    "serial",
    "kind",
    "credential_id",
    "sequence",
    "subject",
    "fingerprint",
    "spki",
    "not_before_ms",
    "not_after_ms",
    "issued_at_ms",
    "der",
  ],
  audit_records: ["writer", "position", "at_ms", "actor", "action", "subject", "detail"],
  chain_links: [
    "writer",
    "number",
    "previous",
    "hash",
    "audit_from",
    "audit_to",
    "issuance_from",
    "issuance_to",
  ],
} as const satisfies {
  readonly [T in Exclude<keyof Schema, "schema_migrations">]: readonly (keyof Schema[T])[];
};

export type Table = keyof typeof columns;
type Row = Readonly<Record<string, unknown>>;

/** Rows are only ever added to these, each covered by a link. */
const logs = ["issuances", "audit_records", "chain_links"] as const satisfies readonly Table[];

/** A table that is not a log. */
export type StateTable = Exclude<Table, (typeof logs)[number]>;

/** The columns of a table, in the order in which they are copied. */
export function columnsOf(table: Table): readonly string[] {
  return columns[table];
}

/** A query for all rows of each table that is not a log. */
export const stateQueries = (Object.keys(columns) as Table[])
  .filter((table): table is StateTable => !(logs as readonly Table[]).includes(table))
  .map((table) => {
    const name = table as "counters";
    const all = statement((db) => db.selectFrom(name).selectAll());
    return { table, query: all({}) as Query<Row> };
  });

/** Text and values of an insert of several rows, in PostgreSQL's notation. */
export function insertOf(table: Table, rows: readonly Row[]): { sql: string; values: unknown[] } {
  const names = columnsOf(table);
  const tuples = rows.map(
    (_, r) => `(${names.map((_name, c) => `$${r * names.length + c + 1}`).join()})`,
  );
  return {
    sql: `insert into ${table} (${names.join()}) values ${tuples.join()}`,
    values: rows.flatMap((row) => names.map((name) => row[name])),
  };
}

/** The statements that empty every table. */
export const emptyAll = Object.keys(columns)
  .map((table) => `delete from ${table}`)
  .join("; ");
