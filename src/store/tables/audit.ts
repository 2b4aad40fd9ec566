import type {
  AuditEntry,
  AuditReader,
  AuditRecord,
  AuditVerdict,
  ChainHead,
  ChainLink,
  LogCursor,
} from "../../control/index.ts";
import { verifyChain } from "../chain-verify.ts";
import type { Executor } from "../executor.ts";
import type { AuditRow } from "../schema.ts";
import { statement, type Query } from "../statement.ts";
import { heads, readLink } from "../chain.ts";
import { parseDocument } from "./document.ts";
import { nextOfLogs } from "./logs.ts";

type Appended = Omit<AuditRow, "position">;

const append = statement((db, p: { [K in keyof Appended]: Appended[K] }) =>
  db.insertInto("audit_records").values((eb) => ({
    writer: p.writer,
    position: eb
      .selectFrom("audit_records as earlier")
      .select((e) =>
        e(e.fn.coalesce(e.fn.max("earlier.position"), e.lit(0)), "+", e.lit(1)).as("next"),
      )
      .where("earlier.writer", "=", p.writer),
    at_ms: p.at_ms,
    actor: p.actor,
    action: p.action,
    subject: p.subject,
    detail: p.detail,
  })),
);
const page = statement((db, p: { writer: string; after: number; limit: number }) =>
  db
    .selectFrom("audit_records")
    .selectAll()
    .where("writer", "=", p.writer)
    .where("position", ">", p.after)
    .orderBy("position")
    .limit(p.limit),
);
const links = statement((db, p: { writer: string; after: number; limit: number }) =>
  db
    .selectFrom("chain_links")
    .selectAll()
    .where("writer", "=", p.writer)
    .where("number", ">", p.after)
    .orderBy("number")
    .limit(p.limit),
);

/** The query that appends the audit record of a transaction. */
export function appendAudit(
  writer: string,
  atMs: number,
  { actor, action, subject, detail }: AuditEntry,
): Query {
  return append({ writer, at_ms: atMs, actor, action, subject, detail: JSON.stringify(detail) });
}

export class AuditView implements AuditReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async page(after: LogCursor, limit: number): Promise<AuditRecord[]> {
    const rows = await nextOfLogs(this.#executor, { after, limit, page, atMs: (row) => row.at_ms });
    return rows.map(({ position, writer, at_ms: atMs, actor, action, subject, detail }) => ({
      position,
      writer,
      atMs,
      actor,
      action,
      subject,
      detail: parseDocument(detail),
    }));
  }

  async links(writer: string, after: number, limit: number): Promise<ChainLink[]> {
    return (await this.#executor.rows(links({ writer, after, limit }))).map(readLink);
  }

  heads(): Promise<ChainHead[]> {
    return this.#executor.rows(heads({}));
  }

  verify(): Promise<AuditVerdict> {
    return verifyChain(this.#executor);
  }
}
