import type { CredentialId, HostId } from "../../kit/index.ts";
import type { SigningRequest } from "../../domain/index.ts";
import type { SigningRequestReader, SigningRequestWriter } from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import { statement } from "../statement.ts";
import { parseRow, parseRows } from "./document.ts";

const all = statement((db) => db.selectFrom("signing_requests").select("document").orderBy("id"));
const ofHost = statement((db, p: { hostId: string }) =>
  db
    .selectFrom("signing_requests")
    .select("document")
    .where("host_id", "=", p.hostId)
    .orderBy("id"),
);
const byId = statement((db, p: { id: string }) =>
  db.selectFrom("signing_requests").select("document").where("id", "=", p.id),
);
const put = statement((db, p: { id: string; hostId: string; document: string }) =>
  db
    .insertInto("signing_requests")
    .values({ id: p.id, host_id: p.hostId, document: p.document })
    .onConflict((oc) => oc.column("id").doUpdateSet({ host_id: p.hostId, document: p.document })),
);
const remove = statement((db, p: { id: string }) =>
  db.deleteFrom("signing_requests").where("id", "=", p.id),
);

export class SigningRequestView implements SigningRequestReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async all(): Promise<SigningRequest[]> {
    return parseRows(await this.#executor.rows(all({})));
  }

  async ofHost(hostId: HostId): Promise<SigningRequest[]> {
    return parseRows(await this.#executor.rows(ofHost({ hostId })));
  }

  async get(id: CredentialId): Promise<SigningRequest | undefined> {
    return parseRow(first(await this.#executor.rows(byId({ id }))));
  }
}

export class SigningRequestTable extends SigningRequestView implements SigningRequestWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  put(request: SigningRequest): Promise<void> {
    const { id, hostId } = request;
    this.#executor.raiseFeed();
    return this.#executor.run(put({ id, hostId, document: JSON.stringify(request) }));
  }

  async remove(id: CredentialId): Promise<void> {
    if ((await this.#executor.changes(remove({ id }))) > 0) this.#executor.raiseFeed();
  }
}
