import { DomainError, type Clock } from "../../kit/index.ts";
import type {
  AuditEntry,
  LastKnown,
  Store,
  StoreTransaction,
  StoreView,
} from "../../control/index.ts";
import { RevisionFeed } from "../revision-feed.ts";
import { readRevision } from "../tables/revision.ts";
import { noting, viewThrough, writing } from "../transaction.ts";
import type { Connection } from "./connection.ts";
import { GroupCommit } from "./group-commit.ts";
import { migrateAmongOthers } from "./migrate.ts";
import { openPrimary, type DatabaseAccess } from "./primary.ts";
import { Reachability } from "./reachability.ts";
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
  const { access, clock } = options;
  const open = (): Promise<Connection> => openPrimary(access);
  const connection = await open();
  try {
    await migrateAmongOthers(connection, clock.nowMs());
  } finally {
    connection.close();
  }
  return new PostgresqlStore(open, await Reachability.start(open, clock), options);
}

class PostgresqlStore implements Store {
  readonly #clock: Clock;
  readonly #readers: Readers;
  readonly #view: StoreView;
  readonly #commits: GroupCommit;
  readonly #reachability: Reachability;
  readonly #feed = new RevisionFeed();
  #asking: Promise<number> | null = null;
  #polling: NodeJS.Timeout | null = null;
  #closed: Promise<void> | undefined;

  constructor(
    open: () => Promise<Connection>,
    reachability: Reachability,
    { writer, clock, transactionMsMax = 10_000 }: PostgresqlStoreOptions,
  ) {
    this.#clock = clock;
    this.#readers = new Readers(open, () => reachability.isAway);
    this.#view = viewThrough(this.#readers);
    this.#reachability = reachability;
    this.#commits = new GroupCommit({
      open,
      writer,
      transactionMsMax,
      onRaised: () => this.#feed.wake(),
    });
  }

  async read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw new DomainError("not-running", "the store is closed");
    this.#reachability.require();
    return work(this.#view);
  }

  async write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    this.#reachability.require();
    return this.#commits.submit(audit.action, writing(audit, this.#clock, work));
  }

  async note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    this.#reachability.require();
    return this.#commits.submit("note", noting(work));
  }

  revision(): Promise<number> {
    return this.read(() => readRevision(this.#readers));
  }

  async waitForRevision(after: number, timeoutMs: number): Promise<number> {
    this.#polling ??= setInterval(() => this.#feed.wake(), revisionPollMs).unref();
    return this.#feed.wait(() => this.#askOnce(), after, timeoutMs);
  }

  lastKnown(): LastKnown | null {
    return this.#reachability.lastKnown();
  }

  close(): Promise<void> {
    this.#reachability.close();
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
