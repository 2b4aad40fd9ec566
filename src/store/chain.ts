import { createHash } from "node:crypto";
import type { ChainLink } from "../control/index.ts";
import type { AuditRow, IssuanceRow, LinkRow } from "./schema.ts";
import { statement, type Query } from "./statement.ts";

/** The rows that a link covers: all of its writer's in these ranges of positions. */
export const auditBetween = statement((db, p: { writer: string; from: number; to: number }) =>
  db
    .selectFrom("audit_records")
    .selectAll()
    .where("writer", "=", p.writer)
    .where("position", ">=", p.from)
    .where("position", "<=", p.to)
    .orderBy("position"),
);
export const issuancesBetween = statement((db, p: { writer: string; from: number; to: number }) =>
  db
    .selectFrom("issuances")
    .selectAll()
    .where("writer", "=", p.writer)
    .where("position", ">=", p.from)
    .where("position", "<=", p.to)
    .orderBy("position"),
);
/** Links of a writer with numbers above `after`, up to `to`. */
export const linksAfter = statement(
  (db, p: { writer: string; after: number; to: number; limit: number }) =>
    db
      .selectFrom("chain_links")
      .selectAll()
      .where("writer", "=", p.writer)
      .where("number", ">", p.after)
      .where("number", "<=", p.to)
      .orderBy("number")
      .limit(p.limit),
);
const lastLink = statement((db, p: { writer: string }) =>
  db
    .selectFrom("chain_links")
    .selectAll()
    .where("writer", "=", p.writer)
    .orderBy("number", "desc")
    .limit(1),
);
const lastAudit = statement((db, p: { writer: string }) =>
  db
    .selectFrom("audit_records")
    .select((eb) => eb.fn.max("position").as("position"))
    .where("writer", "=", p.writer),
);
const lastIssuance = statement((db, p: { writer: string }) =>
  db
    .selectFrom("issuances")
    .select((eb) => eb.fn.max("position").as("position"))
    .where("writer", "=", p.writer),
);
const putLink = statement((db, p: { [K in keyof LinkRow]: LinkRow[K] }) =>
  db.insertInto("chain_links").values({
    writer: p.writer,
    number: p.number,
    previous: p.previous,
    hash: p.hash,
    audit_from: p.audit_from,
    audit_to: p.audit_to,
    issuance_from: p.issuance_from,
    issuance_to: p.issuance_to,
  }),
);
const putHead = statement((db, p: { writer: string; number: number; hash: string }) =>
  db
    .insertInto("chain_heads")
    .values({ writer: p.writer, number: p.number, hash: p.hash })
    .onConflict((oc) => oc.column("writer").doUpdateSet({ number: p.number, hash: p.hash })),
);

/** The newest link of every writer. */
export const heads = statement((db) => db.selectFrom("chain_heads").selectAll().orderBy("writer"));
/** The hash of a writer's newest link. */
export const headHash = statement((db, p: { writer: string }) =>
  db.selectFrom("chain_heads").select("hash").where("writer", "=", p.writer),
);
/** Writes the head as it is. */
export const touchHead = statement((db, p: { writer: string; hash: string }) =>
  db.updateTable("chain_heads").set({ hash: p.hash }).where("writer", "=", p.writer),
);

/** What `previous` of a writer's first link is. */
export const firstPrevious = "0".repeat(64);

/**
 * The queries that add the link of the transaction that is about to be committed, if it wrote audit
 * records or issuances; each yields, and goes on with the rows of its result. The ranges of a
 * writer's links follow each other without a gap. Returns the hash of the link, or undefined.
 */
export function* sealing(writer: string): Generator<Query, string | undefined, unknown[]> {
  const last = ((yield lastLink({ writer })) as LinkRow[])[0];
  const [audit] = (yield lastAudit({ writer })) as { position: number | null }[];
  const [issuance] = (yield lastIssuance({ writer })) as { position: number | null }[];
  const link = {
    writer,
    number: (last?.number ?? 0) + 1,
    previous: last?.hash ?? firstPrevious,
    auditFrom: (last?.audit_to ?? 0) + 1,
    auditTo: audit?.position ?? 0,
    issuanceFrom: (last?.issuance_to ?? 0) + 1,
    issuanceTo: issuance?.position ?? 0,
  };
  if (link.auditTo < link.auditFrom && link.issuanceTo < link.issuanceFrom) return undefined;
  const records = yield auditBetween({ writer, from: link.auditFrom, to: link.auditTo });
  const issued = yield issuancesBetween({ writer, from: link.issuanceFrom, to: link.issuanceTo });
  const hash = linkHash(link, records as AuditRow[], issued as IssuanceRow[]);
  yield putLink({
    writer,
    number: link.number,
    previous: link.previous,
    hash,
    audit_from: link.auditFrom,
    audit_to: link.auditTo,
    issuance_from: link.issuanceFrom,
    issuance_to: link.issuanceTo,
  });
  yield putHead({ writer, number: link.number, hash });
  return hash;
}

/**
 * Hex SHA-256 over UTF-8 lines, each a JSON array: the link's own numbers and its predecessor's
 * hash, then the covered audit records and issuances by position, all columns in the order below.
 */
export function linkHash(
  link: Omit<ChainLink, "hash">,
  audit: readonly AuditRow[],
  issuances: readonly IssuanceRow[],
): string {
  const hash = createHash("sha256");
  const line = (fields: readonly (string | number | null)[]): unknown =>
    hash.update(`${JSON.stringify(fields)}\n`);
  line([
    "link",
    link.writer,
    link.number,
    link.previous,
    link.auditFrom,
    link.auditTo,
    link.issuanceFrom,
    link.issuanceTo,
  ]);
  for (const r of audit)
    line(["audit", r.position, r.writer, r.at_ms, r.actor, r.action, r.subject, r.detail]);
  for (const r of issuances) {
    line([
      "issuance",
      r.position,
      r.writer,
      r.authority_id,
      r.serial,
      r.kind,
      r.credential_id,
      r.sequence,
      r.subject,
      r.fingerprint,
      r.spki,
      r.not_before_ms,
      r.not_after_ms,
      r.issued_at_ms,
      Buffer.from(r.der).toString("base64"),
    ]);
  }
  return hash.digest("hex");
}

export function readLink(row: LinkRow): ChainLink {
  return {
    writer: row.writer,
    number: row.number,
    previous: row.previous,
    hash: row.hash,
    auditFrom: row.audit_from,
    auditTo: row.audit_to,
    issuanceFrom: row.issuance_from,
    issuanceTo: row.issuance_to,
  };
}
