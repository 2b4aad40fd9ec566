import type { AuthorityId, CredentialId } from "../../kit/index.ts";
import type {
  Issuance,
  IssuanceReader,
  IssuanceWriter,
  LogCursor,
  LogPosition,
} from "../../control/index.ts";
import type { ForeignCertificate } from "../../planning/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import type { IssuanceRow } from "../schema.ts";
import { statement } from "../statement.ts";
import { nextOfLogs } from "./logs.ts";

const bySerial = statement((db, p: { authorityId: string; serial: string }) =>
  db
    .selectFrom("issuances")
    .selectAll()
    .where("authority_id", "=", p.authorityId)
    .where("serial", "=", p.serial),
);
const ofCredential = statement((db, p: { id: string; limit: number }) =>
  db
    .selectFrom("issuances")
    .selectAll()
    .where("credential_id", "=", p.id)
    .orderBy("issued_at_ms", "desc")
    .orderBy("position", "desc")
    .limit(p.limit),
);
/** Few: by the index of credentials. */
const foreign = statement((db, p: { nowMs: number }) =>
  db
    .selectFrom("issuances")
    .select(["authority_id", "serial", "subject", "fingerprint", "not_after_ms"])
    .where("credential_id", "is", null)
    .where("kind", "=", "leaf")
    .where("not_after_ms", ">", p.nowMs)
    .orderBy("issued_at_ms")
    .orderBy("serial"),
);
const page = statement((db, p: { writer: string; after: number; limit: number }) =>
  db
    .selectFrom("issuances")
    .selectAll()
    .where("writer", "=", p.writer)
    .where("position", ">", p.after)
    .orderBy("position")
    .limit(p.limit),
);
const count = statement((db) =>
  db.selectFrom("issuances").select((eb) => eb.fn.countAll<number>().as("count")),
);

type Appended = Omit<IssuanceRow, "position">;

/** The position is allocated here: databases differ in sequences, and sequences leave gaps. */
const append = statement((db, p: { [K in keyof Appended]: Appended[K] }) =>
  db.insertInto("issuances").values((eb) => ({
    writer: p.writer,
    position: eb
      .selectFrom("issuances as earlier")
      .select((e) =>
        e(e.fn.coalesce(e.fn.max("earlier.position"), e.lit(0)), "+", e.lit(1)).as("next"),
      )
      .where("earlier.writer", "=", p.writer),
    authority_id: p.authority_id,
    serial: p.serial,
    kind: p.kind,
    credential_id: p.credential_id,
    sequence: p.sequence,
    subject: p.subject,
    fingerprint: p.fingerprint,
    spki: p.spki,
    not_before_ms: p.not_before_ms,
    not_after_ms: p.not_after_ms,
    issued_at_ms: p.issued_at_ms,
    der: p.der,
  })),
);

export class IssuanceView implements IssuanceReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async find(authorityId: AuthorityId, serial: string): Promise<Issuance | undefined> {
    const row = first(await this.#executor.rows(bySerial({ authorityId, serial })));
    return row && read(row);
  }

  async ofCredential(id: CredentialId, limit: number): Promise<Issuance[]> {
    return (await this.#executor.rows(ofCredential({ id, limit }))).map(read);
  }

  async foreign(nowMs: number): Promise<ForeignCertificate[]> {
    return (await this.#executor.rows(foreign({ nowMs }))).map((row) => ({
      authorityId: row.authority_id as AuthorityId,
      serial: row.serial,
      subject: row.subject,
      fingerprint: row.fingerprint,
      notAfterMs: row.not_after_ms,
    }));
  }

  async page(
    after: LogCursor,
    limit: number,
  ): Promise<(LogPosition & { readonly issuance: Issuance })[]> {
    const rows = await nextOfLogs(this.#executor, {
      after,
      limit,
      page,
      atMs: (row) => row.issued_at_ms,
    });
    return rows.map((row) => ({
      writer: row.writer,
      position: row.position,
      issuance: read(row),
    }));
  }

  async count(): Promise<number> {
    return (await this.#executor.rows(count({})))[0]?.count ?? 0;
  }
}

export class IssuanceTable extends IssuanceView implements IssuanceWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  append(issuance: Issuance): Promise<void> {
    const query = append({
      writer: this.#executor.writer,
      authority_id: issuance.authorityId,
      serial: issuance.serial,
      kind: issuance.kind,
      credential_id: issuance.credentialId,
      sequence: issuance.sequence,
      subject: issuance.subject,
      fingerprint: issuance.fingerprint,
      spki: issuance.spki,
      not_before_ms: issuance.notBeforeMs,
      not_after_ms: issuance.notAfterMs,
      issued_at_ms: issuance.issuedAtMs,
      der: issuance.der,
    });
    return this.#executor.run(query);
  }
}

function read(row: IssuanceRow): Issuance {
  return {
    authorityId: row.authority_id as AuthorityId,
    serial: row.serial,
    kind: row.kind as Issuance["kind"],
    credentialId: row.credential_id as CredentialId | null,
    sequence: row.sequence,
    subject: row.subject,
    fingerprint: row.fingerprint,
    spki: row.spki,
    notBeforeMs: row.not_before_ms,
    notAfterMs: row.not_after_ms,
    issuedAtMs: row.issued_at_ms,
    der: new Uint8Array(row.der),
  };
}
