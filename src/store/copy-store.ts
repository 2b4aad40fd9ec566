import { DomainError } from "../kit/index.ts";
import { auditBetween, issuancesBetween, linkHash, linksAfter, readLink } from "./chain.ts";
import { emptyAll, insertOf, stateQueries, type Table } from "./copy-rows.ts";
import type { Executor } from "./executor.ts";
import type { LinkRow } from "./schema.ts";
import { writersOf } from "./tables/logs.ts";

const linksPerTransaction = 64;
const rowsPerInsert = 500;
/** So few new rows are left to the end, when writes wait. */
const rowsLeftMax = 200;

/** Where a copy goes: a connection that runs texts in PostgreSQL's notation. */
export interface CopyTarget {
  execute(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/**
 * Copies a store that is being written to. The logs come first, link by link, each verified on its
 * way; what changes comes last, while nobody writes.
 */
export class StoreCopy {
  readonly #source: Executor;
  readonly #target: CopyTarget;
  /** Number of the last link copied, by writer. */
  readonly #copied = new Map<string, number>();
  readonly counts = { records: 0, issuances: 0 };

  constructor(source: Executor, target: CopyTarget) {
    this.#source = source;
    this.#target = target;
  }

  /**
   * Empties a target that holds nothing but a part of the source, as an interrupted copy leaves it.
   * Throws `already-exists` for one that holds anything else.
   */
  async prepareTarget(): Promise<void> {
    const heads = (await this.#target.execute("select writer, number, hash from chain_heads")) as {
      writer: string;
      number: number;
      hash: string;
    }[];
    for (const { writer, number, hash } of heads) {
      const query = linksAfter({ writer, after: number - 1, to: number, limit: 1 });
      const [own] = await this.#source.rows(query);
      if (own?.hash === hash) continue;
      throw new DomainError(
        "already-exists",
        "the database holds another domain, or more of this one than this store: choose an empty database",
      );
    }
    await this.#target.execute(emptyAll);
  }

  /** Copies logs until almost all that is written meanwhile has been copied, too. */
  async copyLogs(): Promise<void> {
    while ((await this.#copyNewLinks()) > rowsLeftMax);
  }

  /** Copies the rest: nobody writes to the source from the call on. */
  async finish(): Promise<void> {
    await this.#copyNewLinks();
    await this.#target.execute("begin");
    for (const { table, query } of stateQueries) {
      const rows = await this.#source.rows(query);
      await this.#insert(table, rows);
    }
    await this.#target.execute("commit");
  }

  /** Returns how many rows there were. */
  async #copyNewLinks(): Promise<number> {
    let total = 0;
    for (const writer of await writersOf(this.#source)) {
      for (;;) {
        const after = this.#copied.get(writer) ?? 0;
        const page = { writer, after, to: Number.MAX_SAFE_INTEGER, limit: linksPerTransaction };
        const links = await this.#source.rows(linksAfter(page));
        const last = links.at(-1);
        if (last === undefined) break;
        total += await this.#copyLinks(links);
        this.#copied.set(writer, last.number);
      }
    }
    return total;
  }

  async #copyLinks(rows: readonly LinkRow[]): Promise<number> {
    let total = 0;
    await this.#target.execute("begin");
    for (const row of rows) {
      const link = readLink(row);
      const { writer } = link;
      const audit = await this.#source.rows(
        auditBetween({ writer, from: link.auditFrom, to: link.auditTo }),
      );
      const issuances = await this.#source.rows(
        issuancesBetween({ writer, from: link.issuanceFrom, to: link.issuanceTo }),
      );
      if (linkHash(link, audit, issuances) !== link.hash)
        throw new DomainError(
          "audit-broken",
          `link ${link.number} of ${writer} does not verify: look at \`gatehouse audit verify\` first`,
        );
      await this.#insert("audit_records", audit);
      await this.#insert("issuances", issuances);
      total += audit.length + issuances.length;
      this.counts.records += audit.length;
      this.counts.issuances += issuances.length;
    }
    await this.#insert("chain_links", rows);
    await this.#target.execute("commit");
    return total;
  }

  async #insert(table: Table, rows: readonly object[]): Promise<void> {
    for (let from = 0; from < rows.length; from += rowsPerInsert) {
      const part = rows.slice(from, from + rowsPerInsert) as Readonly<Record<string, unknown>>[];
      const { sql, values } = insertOf(table, part);
      await this.#target.execute(sql, values);
    }
  }
}
