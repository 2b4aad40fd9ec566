import { execFile, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFile, chown, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { userInfo, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { freePort } from "./free-port.ts";
import { spawnAt } from "./network.ts";
import { runPrefix } from "./no-leftovers.ts";
import { mountDisk, unmountDisk } from "./small-disk.ts";
import { waitUntil } from "./wait-until.ts";

const run = promisify(execFile);
const installations = "/usr/lib/postgresql";
const startMsMax = 20_000;
const sessionMsMax = 3_000;
export const superuser = "gatehouse";

export interface DatabaseSession {
  query(sql: string): Promise<Record<string, unknown>[]>;
  end(): Promise<void>;
}

/** Where a server runs: its address, what a command line begins with to run there, and whom it lets in. */
export interface ServerPlace {
  readonly address: string;
  readonly exec: readonly string[];
  /** What is added to the environment of the server. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Absent: loopback. */
  readonly subnet?: string;
  /** It gets a disk of its own of this size, in megabytes. Absent: that of the machine. */
  readonly diskMegabytes?: number;
}

export const serverOnLoopback: ServerPlace = { address: "127.0.0.1", exec: [] };

/** A real PostgreSQL server, alone or as a member of a replicated pair. */
export class PostgresServer {
  readonly folder: string;
  readonly place: ServerPlace;
  readonly port: number;
  readonly password: string;
  readonly #bin: string;
  #process: ChildProcess | null = null;

  private constructor(
    of: { folder: string; port: number; password: string; bin: string },
    place: ServerPlace,
  ) {
    this.place = place;
    this.folder = of.folder;
    this.port = of.port;
    this.password = of.password;
    this.#bin = of.bin;
  }

  /**
   * A standby of this server, started: a copy that follows it, and without which no commit of this
   * server is acknowledged any more.
   */
  async createSynchronousStandby(place = serverOnLoopback): Promise<PostgresServer> {
    const of = { ...(await emptyPlace(place)), password: this.password };
    const standby = new PostgresServer(of, place);
    await standby.becomeSynchronousStandbyOf(this);
    return standby;
  }

  /** Follows `primary` from now on, as a new copy of it; what this server has is lost. */
  async becomeSynchronousStandbyOf(primary: PostgresServer): Promise<void> {
    await this.stop();
    await rm(this.#data, { recursive: true, force: true });
    const copy = ["-D", this.#data, "-R", "-X", "stream", "-c", "fast"];
    await this.#run("pg_basebackup", [
      ...copy,
      "-d",
      `${primary.#conninfo()} application_name=standby`,
    ]);
    await this.start();
    await primary.query("alter system set synchronous_standby_names = 'standby'", "postgres");
    await primary.query("select pg_reload_conf()", "postgres");
    await waitUntil(
      async () => {
        const rows = await primary.query("select sync_state from pg_stat_replication", "postgres");
        return rows.some((row) => row["sync_state"] === "sync");
      },
      { deadlineMs: startMsMax, what: "the standby is synchronous" },
    );
  }

  /** Makes a standby the primary, which does not wait for a standby of its own. */
  async promote(): Promise<void> {
    await this.query("alter system reset synchronous_standby_names", "postgres");
    await this.query("select pg_promote(true, 20)", "postgres");
  }

  #conninfo(): string {
    return `host=${this.place.address} port=${this.port} user=${superuser} password=${this.password}`;
  }

  /** A new database cluster with its own superuser and password, started. */
  static async create(
    settings: Readonly<Record<string, string>> = {},
    place = serverOnLoopback,
  ): Promise<PostgresServer> {
    const of = { ...(await emptyPlace(place)), password: randomBytes(16).toString("hex") };
    const server = new PostgresServer(of, place);
    const passwordFile = join(server.folder, "password");
    await writeFile(passwordFile, server.password, { mode: 0o600 });
    await own(passwordFile);
    const login = ["-U", superuser, "-A", "scram-sha-256", "--pwfile", passwordFile];
    // In small segments a small disk is not mostly log, and is soon full.
    const segments = place.diskMegabytes === undefined ? [] : ["--wal-segsize=1"];
    await server.#run("initdb", ["-D", server.#data, ...login, ...segments]);
    await server.configure(settings);
    if (place.subnet !== undefined) {
      const access = ["all", "replication"].map(
        (database) => `host ${database} all ${place.subnet} scram-sha-256\n`,
      );
      await appendFile(join(server.#data, "pg_hba.conf"), access.join(""));
    }
    await server.start();
    return server;
  }

  get #data(): string {
    return join(this.folder, "data");
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  /** Takes effect at the next start. */
  async configure(settings: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    await appendFile(join(this.#data, "postgresql.auto.conf"), lines.join(""));
  }

  async start(): Promise<void> {
    const args = ["-D", this.#data, "-p", String(this.port), "-k", this.folder];
    const { address, exec, environment } = this.place;
    const options = ["-c", `listen_addresses=${address}`, "-c", "logging_collector=off"];
    // Whoever enters a network namespace is root, and the server refuses to run as that.
    const drop =
      exec.length > 0
        ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"]
        : [];
    const child = spawnAt([...exec, ...drop], [join(this.#bin, "postgres"), ...args, ...options], {
      ...(exec.length > 0 ? {} : unprivileged()),
      cwd: this.folder,
      env: { ...process.env, ...environment },
      stdio: "ignore",
    });
    this.#process = child;
    child.once("exit", () => (this.#process = null));
    await waitUntil(
      () => {
        if (this.#process === null) throw new Error("the server ended");
        return this.query("select 1", "postgres");
      },
      { deadlineMs: startMsMax, what: `PostgreSQL takes connections on port ${this.port}` },
    );
  }

  /** SIGINT: fast shutdown; SIGQUIT: immediate, as after a crash. */
  async stop(signal: NodeJS.Signals = "SIGQUIT"): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Runs SQL as the superuser; several statements if there are no parameters. */
  async query(sql: string, database: string): Promise<Record<string, unknown>[]> {
    const session = await this.connect(database);
    try {
      return await session.query(sql);
    } finally {
      await session.end();
    }
  }

  /** A session of the superuser. */
  async connect(database: string): Promise<DatabaseSession> {
    const client = new pg.Client({
      host: this.place.address,
      port: this.port,
      user: superuser,
      password: this.password,
      database,
      connectionTimeoutMillis: sessionMsMax,
      query_timeout: startMsMax,
    });
    client.on("error", () => undefined);
    await client.connect();
    return {
      query: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
      end: () => client.end().catch(() => undefined),
    };
  }

  async createDatabase(): Promise<string> {
    const name = `db_${randomBytes(6).toString("hex")}`;
    await this.query(`create database ${name}`, "postgres");
    return name;
  }

  async remove(): Promise<void> {
    await this.stop();
    if (this.place.diskMegabytes !== undefined) await unmountDisk(this.folder);
    await rm(this.folder, { recursive: true, force: true });
  }

  async #run(program: string, args: readonly string[]): Promise<void> {
    await run(join(this.#bin, program), args, { ...unprivileged(), cwd: this.folder });
  }
}

async function emptyPlace({
  diskMegabytes,
}: ServerPlace): Promise<{ folder: string; port: number; bin: string }> {
  const versions = await readdir(installations).catch(() => []);
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined)
    throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  const folder = await mkdtemp(join(tmpdir(), `${runPrefix()}pg-`));
  await own(folder);
  if (diskMegabytes !== undefined) await mountDisk(folder, diskMegabytes, unprivileged().uid);
  return { folder, port: await freePort(), bin: join(installations, newest, "bin") };
}

const nobody = 65_534;

/** The server refuses to run as root. */
function unprivileged(): { uid?: number; gid?: number } {
  return userInfo().uid === 0 ? { uid: nobody, gid: nobody } : {};
}

async function own(path: string): Promise<void> {
  const { uid, gid } = unprivileged();
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}
