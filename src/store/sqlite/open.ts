import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert, DomainError, type Clock } from "../../kit/index.ts";
import type { AuditEntry, Store, StoreTransaction, StoreView } from "../../control/index.ts";
import { RevisionFeed } from "../revision-feed.ts";
import { appendAudit } from "../tables/audit.ts";
import { raiseRevision, readRevision } from "../tables/revision.ts";
import { transactionThrough, viewThrough } from "../transaction.ts";
import { Connection, openForReading } from "./database.ts";
import { storeError } from "./errors.ts";
import { GroupCommit, type Limits } from "./group-commit.ts";
import { Reader } from "./reader.ts";
import { WriterChannel } from "./writer-channel.ts";

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
  const file = join(folder, "gatehouse.db");
  const channel = await WriterChannel.start({ file, writer, nowMs: clock.nowMs() });
  try {
    return new SqliteStore(channel, new Connection(openForReading(file)), {
      file,
      writer,
      clock,
      limits,
    });
  } catch (error) {
    await channel.close();
    throw storeError(error, file);
  }
}

class SqliteStore implements Store {
  readonly #channel: WriterChannel;
  readonly #connection: Connection;
  readonly #reader: Reader;
  readonly #view: StoreView;
  readonly #commits: GroupCommit;
  readonly #feed = new RevisionFeed();
  readonly #writer: string;
  readonly #clock: Clock;
  #closed: Promise<void> | undefined;

  constructor(
    channel: WriterChannel,
    connection: Connection,
    { file, writer, clock, limits }: { file: string; writer: string; clock: Clock; limits: Limits },
  ) {
    this.#channel = channel;
    this.#connection = connection;
    this.#reader = new Reader(connection, file);
    this.#view = viewThrough(this.#reader);
    this.#commits = new GroupCommit(channel, writer, limits, () => this.#feed.wake());
    this.#writer = writer;
    this.#clock = clock;
  }

  async read<T>(work: (view: StoreView) => Promise<T>): Promise<T> {
    return work(this.#view);
  }

  write<T>(audit: AuditEntry, work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#commits.submit(audit.action, async (executor) => {
      const value = await work(transactionThrough(executor));
      await executor.run(appendAudit(this.#writer, this.#clock.nowMs(), audit));
      if (executor.raisesFeed) await executor.run(raiseRevision({}));
      return value;
    });
  }

  note<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#commits.submit("note", async (executor) => {
      const value = await work(transactionThrough(executor));
      assert(!executor.raisesFeed, "desired state is changed with an audit record");
      return value;
    });
  }

  revision(): Promise<number> {
    return readRevision(this.#reader);
  }

  waitForRevision(after: number, timeoutMs: number): Promise<number> {
    return this.#feed.wait(() => this.revision(), after, timeoutMs);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#commits.close();
    this.#feed.close();
    await this.#channel.close();
    this.#connection.close();
  }
}
