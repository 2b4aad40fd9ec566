import { DomainError, type AuthorityId } from "../../kit/index.ts";
import type { Authority, AuthorityUsage } from "../../domain/index.ts";
import type { AuthorityReader, AuthorityWriter } from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import { statement } from "../statement.ts";
import { parseRow, parseRows } from "./document.ts";

const all = statement((db) =>
  db
    .selectFrom("authorities")
    .select("document")
    .orderBy((eb) => eb.fn("length", ["id"]))
    .orderBy("id"),
);
const byId = statement((db, p: { id: string }) =>
  db.selectFrom("authorities").select("document").where("id", "=", p.id),
);
const currentOf = statement((db, p: { usage: string }) =>
  db
    .selectFrom("authorities")
    .select("document")
    .where("usage", "=", p.usage)
    .where("status", "=", "current"),
);
const put = statement((db, p: { id: string; usage: string; status: string; document: string }) =>
  db
    .insertInto("authorities")
    .values({ id: p.id, usage: p.usage, status: p.status, document: p.document })
    .onConflict((oc) =>
      oc.column("id").doUpdateSet({ usage: p.usage, status: p.status, document: p.document }),
    ),
);

/** Versions before have not written who holds the key, nor how else it could be than made here. */
type Added = "holders" | "signing" | "intermediatesPem";
type StoredAuthority = Omit<Authority, Added> & Partial<Pick<Authority, Added>>;

function complete(stored: StoredAuthority): Authority {
  return { holders: [], signing: "generated", intermediatesPem: "", ...stored };
}

export class AuthorityView implements AuthorityReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async all(): Promise<Authority[]> {
    return parseRows<StoredAuthority>(await this.#executor.rows(all({}))).map(complete);
  }

  async get(id: AuthorityId): Promise<Authority | undefined> {
    const stored = parseRow<StoredAuthority>(first(await this.#executor.rows(byId({ id }))));
    return stored && complete(stored);
  }

  async current(usage: AuthorityUsage): Promise<Authority> {
    const authority = parseRow<StoredAuthority>(
      first(await this.#executor.rows(currentOf({ usage }))),
    );
    if (authority === undefined) {
      throw new DomainError(
        "authority-unavailable",
        `the domain has no current authority for ${usage} certificates: make one current first`,
        { context: { usage } },
      );
    }
    return complete(authority);
  }
}

export class AuthorityTable extends AuthorityView implements AuthorityWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  put(authority: Authority): Promise<void> {
    const { id, usage, status } = authority;
    this.#executor.raiseFeed();
    return this.#executor.run(put({ id, usage, status, document: JSON.stringify(authority) }));
  }
}
