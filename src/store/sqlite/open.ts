import { existsSync } from "node:fs";
import { join } from "node:path";
import type Database from "better-sqlite3";
import { DomainError, type Clock } from "../../kit/index.ts";
import type { AuditEntry, Store, StoreTransaction, StoreView } from "../../control/index.ts";
import { RevisionFeed } from "../revision-feed.ts";
import { readRevision } from "../tables/revision.ts";
import { noting, viewThrough, writing } from "../transaction.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Connection, migrate, openForReading, openForWriting } from "./database.ts";
import { storeError } from "./errors.ts";
import { GroupCommit } from "./group-commit.ts";
import { Reader } from "./reader.ts";
import { WalSync } from "./wal-sync.ts";

interface Limits {
  /** A transaction that has not ended after this long is rolled back. */
  readonly transactionMsMax: number;
}

export interface SqliteStoreOptions {
  /** The home folder; it holds `gatehouse.db`. */
  readonly folder: string;
  /** This Admin Node Manager, `nodemanager-1`: the name of its issuance log and audit chain. */
  readonly writer: string;
  readonly clock: Clock;
  readonly limits?: Limits;
}

const defaultLimits: Limits = { transactionMsMax: 10_000 };

/**
 * Opens the embedded store of a home folder, whose lock the caller holds, and brings its schema up
 * to date. Throws `home-missing`, `state-corrupt`, `read-only`, `disk-full`.
 */
export async function openSqliteStore({
  folder,
  writer,
  clock,
  limits = defaultLimits,
}: SqliteStoreOptions): Promise<Store> {
  if (!existsSync(folder)) {
    throw new DomainError(
      "home-missing",
      `there is no home folder ${folder}: make a domain with \`managedomain -i\`, or join one`,
      { context: { folder } },
    );
  }
  const file = databaseFile(folder);
  const opened: { close(): unknown }[] = [];
  const open = <T extends { close(): unknown }>(resource: T): T => {
    opened.push(resource);
    return resource;
  };
  try {
    const database = open(openForWriting(file));
    migrate(database, clock.nowMs());
    const wal = open(new WalSync(file));
    const reading = open(openForReading(file));
    const checkpoints = open(new Checkpoints(file));
    return new SqliteStore({ database, wal, reading, checkpoints, writer, clock, limits });
  } catch (error) {
    for (const resource of opened.toReversed()) await resource.close();
    throw storeError(error, file);
  }
}

/**
 * Throws `state-corrupt` where the folder of a domain has lost its database: opening would make an
 * empty one, and a domain that nobody is in.
 */
export function requireStore(folder: string): void {
  const file = databaseFile(folder);
  if (existsSync(file)) return;
  throw new DomainError(
    "state-corrupt",
    `${file} is missing: restore it from a backup of the home folder`,
    { context: { file } },
  );
}

const databaseFile = (folder: string): string => join(folder, "gatehouse.db");

interface Parts {
  readonly database: Database.Database;
  readonly wal: WalSync;
  readonly reading: Database.Database;
  readonly checkpoints: Checkpoints;
  readonly writer: string;
  readonly clock: Clock;
  readonly limits: Limits;
}

class SqliteStore implements Store {
  readonly #parts: Parts;
  readonly #reader: Reader;
  readonly #view: StoreView;
  readonly #commits: GroupCommit;
  readonly #feed = new RevisionFeed();
  #closed: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#reader = new Reader(new Connection(parts.reading));
    this.#view = viewThrough(this.#reader);
    this.#commits = new GroupCommit({
      connection: new Connection(parts.database),
      writer: parts.writer,
      transactionMsMax: parts.limits.transactionMsMax,
      sync: async () => {
        await parts.wal.sync();
        parts.checkpoints.afterCommit();
      },
      onRaised: () => this.#feed.wake(),
    });
  }

  /** Nothing that a power failure could still take back is answered: it waits for the running sync. */
  async read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw new DomainError("not-running", "the store is closed");
    try {
      return await work(this.#view);
    } finally {
      await this.#commits.settled();
    }
  }

  write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#commits.submit(audit.action, writing(audit, this.#parts.clock, work));
  }

  note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#commits.submit("note", noting(work));
  }

  revision(): Promise<number> {
    return this.read(() => readRevision(this.#reader));
  }

  waitForRevision(after: number, timeoutMs: number): Promise<number> {
    return this.#feed.wait(() => this.revision(), after, timeoutMs);
  }

  /** It is never away. */
  lastKnown(): null {
    return null;
  }

  close(): Promise<void> {
    this.#feed.close();
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#commits.close();
    const { checkpoints, reading, database, wal } = this.#parts;
    await checkpoints.close();
    reading.close();
    database.close();
    wal.close();
  }
}
