import { DomainError } from "../../kit/index.ts";
import type { TrustLink, TrustReader, TrustWriter } from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import type { Schema } from "../schema.ts";
import { statement } from "../statement.ts";
import { parseDocument } from "./document.ts";

const head = statement((db) =>
  db.selectFrom("trust_links").selectAll().orderBy("epoch", "desc").limit(1),
);
const after = statement((db, p: { epoch: number; limit: number }) =>
  db
    .selectFrom("trust_links")
    .selectAll()
    .where("epoch", ">", p.epoch)
    .orderBy("epoch")
    .limit(p.limit),
);
const append = statement((db, p: { epoch: number; hash: string; envelope: string }) =>
  db.insertInto("trust_links").values({ epoch: p.epoch, hash: p.hash, envelope: p.envelope }),
);

export class TrustView implements TrustReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async head(): Promise<TrustLink | undefined> {
    const row = first(await this.#executor.rows(head({})));
    return row && read(row);
  }

  async after(epoch: number, limit: number): Promise<TrustLink[]> {
    return (await this.#executor.rows(after({ epoch, limit }))).map(read);
  }
}

export class TrustTable extends TrustView implements TrustWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  async append({ epoch, hash, envelope }: TrustLink): Promise<void> {
    const newest = (await this.head())?.epoch;
    if (newest !== undefined && epoch !== newest + 1) {
      throw new DomainError(
        "conflict",
        `trust epoch ${epoch} does not follow epoch ${newest}: read the newest link and sign again`,
        {
          context: { offered: epoch, newest },
        },
      );
    }
    this.#executor.raiseFeed();
    return this.#executor.run(append({ epoch, hash, envelope: JSON.stringify(envelope) }));
  }
}

function read(row: Schema["trust_links"]): TrustLink {
  return { epoch: row.epoch, hash: row.hash, envelope: parseDocument(row.envelope) };
}
