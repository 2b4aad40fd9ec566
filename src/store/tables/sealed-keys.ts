import type { AuthorityId, HostId } from "../../kit/index.ts";
import type { SealedKey, SealedKeyReader, SealedKeyWriter } from "../../control/index.ts";
import type { Executor, TransactionExecutor } from "../executor.ts";
import { statement } from "../statement.ts";

const ofHost = statement((db, p: { hostId: string }) =>
  db
    .selectFrom("sealed_keys")
    .select(["authority_id", "sealed"])
    .where("host_id", "=", p.hostId)
    .orderBy("authority_id"),
);
const put = statement((db, p: { authorityId: string; hostId: string; sealed: string }) =>
  db
    .insertInto("sealed_keys")
    .values({ authority_id: p.authorityId, host_id: p.hostId, sealed: p.sealed })
    .onConflict((oc) => oc.columns(["authority_id", "host_id"]).doUpdateSet({ sealed: p.sealed })),
);
const removeOfHost = statement((db, p: { hostId: string }) =>
  db.deleteFrom("sealed_keys").where("host_id", "=", p.hostId),
);

export class SealedKeyView implements SealedKeyReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async ofHost(hostId: HostId): Promise<SealedKey[]> {
    const rows = await this.#executor.rows(ofHost({ hostId }));
    return rows.map(({ authority_id, sealed }) => ({
      authorityId: authority_id as AuthorityId,
      hostId,
      sealed,
    }));
  }
}

export class SealedKeyTable extends SealedKeyView implements SealedKeyWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  put(key: SealedKey): Promise<void> {
    this.#executor.raiseFeed();
    return this.#executor.run(put({ ...key }));
  }

  async removeOfHost(hostId: HostId): Promise<void> {
    if ((await this.#executor.changes(removeOfHost({ hostId }))) > 0) this.#executor.raiseFeed();
  }
}
