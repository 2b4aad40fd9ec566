import { DomainError } from "../../kit/index.ts";
import { statement, type Query } from "../statement.ts";

/** Tables that are nothing but documents by id. */
type DocumentTable =
  | "domains"
  | "instance_groups"
  | "relying_parties"
  | "services"
  | "members"
  | "host_observations"
  | "relying_party_observations"
  | "users";

export interface DocumentStatements {
  readonly all: (values: Record<never, never>) => Query<{ document: string }>;
  readonly get: (values: { id: string }) => Query<{ document: string }>;
  readonly put: (values: { id: string; document: string }) => Query;
  readonly remove: (values: { id: string }) => Query;
}

/** The statements for a table of documents; `all` puts host-2 before host-10. */
export function documentStatements(table: DocumentTable): DocumentStatements {
  const name = table as "instance_groups";
  return {
    all: statement((db) =>
      db
        .selectFrom(name)
        .select("document")
        .orderBy((eb) => eb.fn("length", ["id"]))
        .orderBy("id"),
    ),
    get: statement((db, p: { id: string }) =>
      db.selectFrom(name).select("document").where("id", "=", p.id),
    ),
    put: statement((db, p: { id: string; document: string }) =>
      db
        .insertInto(name)
        .values({ id: p.id, document: p.document })
        .onConflict((oc) => oc.column("id").doUpdateSet({ document: p.document })),
    ),
    remove: statement((db, p: { id: string }) => db.deleteFrom(name).where("id", "=", p.id)),
  };
}

/** Reads a JSON column. Throws `state-corrupt` where it is not JSON. */
export function parseDocument<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new DomainError(
      "state-corrupt",
      "the store holds a document that is not JSON: restore the home folder from a backup",
      { cause },
    );
  }
}

export function parseRow<T>(row: { readonly document: string } | undefined): T | undefined {
  return row === undefined ? undefined : parseDocument<T>(row.document);
}

export function parseRows<T>(rows: readonly { readonly document: string }[]): T[] {
  return rows.map((row) => parseDocument<T>(row.document));
}
