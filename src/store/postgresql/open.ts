import { DomainError, type Clock } from "../../kit/index.ts";
import type { AuditEntry, Store, StoreTransaction, StoreView } from "../../control/index.ts";
import { RevisionFeed } from "../revision-feed.ts";
import { readRevision } from "../tables/revision.ts";
import { noting, viewThrough, writing } from "../transaction.ts";
import type { Connection } from "./connection.ts";
import { GroupCommit } from "./group-commit.ts";
import { migrateAmongOthers } from "./migrate.ts";
import { openPrimary, type DatabaseAccess } from "./primary.ts";
import { Readers } from "./readers.ts";

/** Other Admin Node Managers raise the revision too: it is asked for this often while somebody waits. */
const revisionPollMs = 100;

export interface PostgresqlStoreOptions {
  readonly access: DatabaseAccess;
  /** This Admin Node Manager, `nodemanager-1`: the name of its issuance log and audit chain. */
  readonly writer: string;
  readonly clock: Clock;
  /** A transaction that has not ended after this long is rolled back. */
  readonly transactionMsMax?: number;
}

/**
 * Opens the store in a PostgreSQL database and brings its schema up to date. Throws
 * `store-unavailable`, `forbidden`, `state-corrupt`.
 */
export async function openPostgresqlStore(options: PostgresqlStoreOptions): Promise<Store> {
  const connection = await openPrimary(options.access);
  try {
    await migrateAmongOthers(connection, options.clock.nowMs());
  } finally {
    connection.close();
  }
  return new PostgresqlStore(options);
}

class PostgresqlStore implements Store {
  readonly #clock: Clock;
  readonly #readers: Readers;
  readonly #view: StoreView;
  readonly #commits: GroupCommit;
  readonly #feed = new RevisionFeed();
  #asking: Promise<number> | null = null;
  #polling: NodeJS.Timeout | null = null;
  #closed: Promise<void> | undefined;

  constructor({ access, writer, clock, transactionMsMax = 10_000 }: PostgresqlStoreOptions) {
    const open = (): Promise<Connection> => openPrimary(access);
    this.#clock = clock;
    this.#readers = new Readers(open);
    this.#view = viewThrough(this.#readers);
    this.#commits = new GroupCommit({
      open,
      writer,
      transactionMsMax,
      onRaised: () => this.#feed.wake(),
    });
  }

  async read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw new DomainError("not-running", "the store is closed");
    return work(this.#view);
  }

  write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#commits.submit(audit.action, writing(audit, this.#clock, work));
  }

  note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#commits.submit("note", noting(work));
  }

  revision(): Promise<number> {
    return this.read(() => readRevision(this.#readers));
  }

  async waitForRevision(after: number, timeoutMs: number): Promise<number> {
    this.#polling ??= setInterval(() => this.#feed.wake(), revisionPollMs).unref();
    return this.#feed.wait(() => this.#askOnce(), after, timeoutMs);
  }

  close(): Promise<void> {
    this.#feed.close();
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** However many wait: one question at a time. */
  #askOnce(): Promise<number> {
    this.#asking ??= this.revision().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #close(): Promise<void> {
    if (this.#polling !== null) clearInterval(this.#polling);
    await this.#commits.close();
    this.#readers.close();
  }
}
