import type { AuthorityUsage, Credential } from "../../domain/index.ts";
import { DomainError, type CredentialId, type HostId, type ProcessId } from "../../kit/index.ts";
import type { CredentialReader, CredentialWriter } from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import type { Schema } from "../schema.ts";
import { statement } from "../statement.ts";
import { parseDocument } from "./document.ts";

type Row = Schema["credentials"];

const all = statement((db) =>
  db
    .selectFrom("credentials")
    .selectAll()
    .orderBy((eb) => eb.fn("length", ["id"]))
    .orderBy("id"),
);
const ofHost = statement((db, p: { hostId: string }) =>
  db
    .selectFrom("credentials")
    .selectAll()
    .where("host_id", "=", p.hostId)
    .orderBy((eb) => eb.fn("length", ["id"]))
    .orderBy("id"),
);
const byId = statement((db, p: { id: string }) =>
  db.selectFrom("credentials").selectAll().where("id", "=", p.id),
);
const put = statement(
  (
    db,
    p: {
      id: string;
      process: string;
      hostId: string;
      usage: string;
      desired: string;
      lastSequence: number;
      recorded: string;
    },
  ) => {
    const columns = {
      process: p.process,
      host_id: p.hostId,
      usage: p.usage,
      desired: p.desired,
      last_sequence: p.lastSequence,
      recorded: p.recorded,
    };
    return db
      .insertInto("credentials")
      .values({ id: p.id, ...columns })
      .onConflict((oc) => oc.column("id").doUpdateSet(columns));
  },
);
const putRecorded = statement((db, p: { id: string; lastSequence: number; recorded: string }) =>
  db
    .updateTable("credentials")
    .set({ last_sequence: p.lastSequence, recorded: p.recorded })
    .where("id", "=", p.id),
);
const remove = statement((db, p: { id: string }) =>
  db.deleteFrom("credentials").where("id", "=", p.id),
);

export class CredentialView implements CredentialReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async all(): Promise<Credential[]> {
    return (await this.#executor.rows(all({}))).map(read);
  }

  async ofHost(hostId: HostId): Promise<Credential[]> {
    return (await this.#executor.rows(ofHost({ hostId }))).map(read);
  }

  async get(id: CredentialId): Promise<Credential | undefined> {
    const row = first(await this.#executor.rows(byId({ id })));
    return row && read(row);
  }
}

export class CredentialTable extends CredentialView implements CredentialWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  put(credential: Credential): Promise<void> {
    const { id, process, hostId, usage, desired, lastSequence, recorded } = credential;
    this.#executor.raiseFeed();
    return this.#executor.run(
      put({
        id,
        process,
        hostId,
        usage,
        desired: JSON.stringify(desired),
        lastSequence,
        recorded: JSON.stringify(recorded),
      }),
    );
  }

  async putRecorded({
    id,
    lastSequence,
    recorded,
  }: Pick<Credential, "id" | "lastSequence" | "recorded">): Promise<void> {
    const query = putRecorded({ id, lastSequence, recorded: JSON.stringify(recorded) });
    if ((await this.#executor.changes(query)) > 0) return;
    throw new DomainError(
      "not-found",
      `there is no credential ${id}: its keys cannot be recorded`,
      {
        context: { credential: id },
      },
    );
  }

  async remove(id: CredentialId): Promise<void> {
    if ((await this.#executor.changes(remove({ id }))) > 0) this.#executor.raiseFeed();
  }
}

function read(row: Row): Credential {
  return {
    id: row.id as CredentialId,
    process: row.process as ProcessId,
    hostId: row.host_id as HostId,
    usage: row.usage as AuthorityUsage,
    desired: parseDocument(row.desired),
    lastSequence: row.last_sequence,
    recorded: parseDocument(row.recorded),
  };
}
