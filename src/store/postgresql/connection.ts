import { readFile } from "node:fs/promises";
import { Socket } from "node:net";
import pg from "pg";
import { DomainError } from "../../kit/index.ts";
import type { OpenTransaction } from "../logical-transaction.ts";
import type { Query } from "../statement.ts";
import type { DatabaseAddress, DatabaseServer } from "./address.ts";
import { postgresqlCompiler } from "./compiler.ts";
import { databaseError } from "./errors.ts";

const connectMsMax = 3_000;
/** The server gives a statement up before the client gives the connection up. */
const statementMsMax = 5_000;
const answerMsMax = 8_000;
const keepAliveMs = 2_000;

/**
 * - A process that stops inside a transaction keeps the others waiting for two seconds at most:
 *   less than half of a leader's lease.
 * - Serializable reads of a whole small table would collide with every write to it: by an index
 *   they collide on the rows that they read. What has no index then costs so much by the planner's
 *   count that the server would compile each such query to machine code, for half a second.
 * - A commit has to outlive the server, and its synchronous standby where there is one.
 */
const session = `
  set idle_in_transaction_session_timeout = 2000;
  set statement_timeout = ${statementMsMax};
  set lock_timeout = ${statementMsMax - 1000};
  set enable_seqscan = off;
  set jit = off;
  select set_config('synchronous_commit', 'on', false)
    where current_setting('synchronous_commit') in ('off', 'local', 'remote_write')`;

const int8Oid = 20;

/** One session with a server, whose statements are prepared once each. */
export class Connection implements OpenTransaction {
  readonly #client: pg.Client;
  readonly #socket: Socket;
  readonly #names = new Map<string, string>();
  #isLost = false;

  private constructor(client: pg.Client, socket: Socket) {
    this.#client = client;
    this.#socket = socket;
    client.on("error", () => this.close());
    client.on("end", () => (this.#isLost = true));
  }

  /** Connects and logs in. Rejects with the driver's or the server's error. */
  static async open(
    server: DatabaseServer,
    address: DatabaseAddress,
    password: string | undefined,
  ): Promise<Connection> {
    const socket = new Socket();
    const client = new pg.Client({
      host: server.host,
      port: server.port,
      database: address.database,
      user: address.user,
      password,
      ssl: await tlsOptions(server, address),
      stream: () => socket,
      application_name: "gatehouse",
      connectionTimeoutMillis: connectMsMax,
      query_timeout: answerMsMax,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveMs,
      types: { getTypeParser: parserOf as typeof pg.types.getTypeParser },
    });
    const connection = new Connection(client, socket);
    try {
      await client.connect();
      await client.query(session);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** True once the connection is of no use any more. */
  get isLost(): boolean {
    return this.#isLost;
  }

  async rows<Row>(query: Query<Row>): Promise<Row[]> {
    return (await this.#perform(query)).rows as Row[];
  }

  async run(query: Query): Promise<number> {
    return (await this.#perform(query)).rowCount ?? 0;
  }

  /** Results of several queries from one snapshot. */
  async snapshot(queries: readonly Query[]): Promise<unknown[][]> {
    await this.execute("begin isolation level repeatable read read only");
    const results: unknown[][] = [];
    for (const query of queries) results.push(await this.rows(query));
    await this.execute("commit");
    return results;
  }

  /** Runs a text that is not one of our statements: of the transaction language, of the schema, a question. */
  async execute(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
    return (await this.#client.query<Record<string, unknown>>(sql, values)).rows;
  }

  mapped(error: unknown): DomainError {
    return databaseError(error);
  }

  /** Ends the session at once, also where the server does not answer. */
  close(): void {
    this.#isLost = true;
    this.#client.end().catch(() => undefined);
    this.#socket.destroySoon();
  }

  #perform({ statement, values }: Query): Promise<pg.QueryResult> {
    const { sql, values: bound } = statement.bind(postgresqlCompiler, values);
    let name = this.#names.get(sql);
    if (name === undefined) {
      name = `statement_${this.#names.size + 1}`;
      this.#names.set(sql, name);
    }
    return this.#client.query({ name, text: sql, values: bound });
  }
}

/** Counts and times are far below 2^53: as numbers, not as texts. */
function parserOf(oid: number, format?: "text" | "binary"): unknown {
  return oid === int8Oid ? Number : pg.types.getTypeParser(oid, format as "text");
}

async function tlsOptions(
  { host }: DatabaseServer,
  { sslMode, rootCertificateFile }: DatabaseAddress,
): Promise<pg.ClientConfig["ssl"]> {
  if (sslMode === "disable" || host.startsWith("/")) return false;
  const ca = rootCertificateFile === null ? {} : { ca: await readAuthorities(rootCertificateFile) };
  return { ...ca, rejectUnauthorized: true, minVersion: "TLSv1.2" };
}

async function readAuthorities(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new DomainError(
      "store-unavailable",
      `cannot be verified: ${path}, the file of sslrootcert, cannot be read: check the path`,
      { cause },
    );
  }
}
