import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFile, chown, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { userInfo, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { freePort } from "./free-port.ts";
import { runPrefix } from "./no-leftovers.ts";
import { waitUntil } from "./wait-until.ts";

const run = promisify(execFile);
const installations = "/usr/lib/postgresql";
const startMsMax = 20_000;
export const superuser = "gatehouse";

/** A real PostgreSQL server on loopback, alone or as a member of a replicated pair. */
export class PostgresServer {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly #bin: string;
  #process: ChildProcess | null = null;

  private constructor(of: { folder: string; port: number; password: string; bin: string }) {
    this.folder = of.folder;
    this.port = of.port;
    this.password = of.password;
    this.#bin = of.bin;
  }

  /**
   * A standby of this server, started: a copy that follows it, and without which no commit of this
   * server is acknowledged any more.
   */
  async createSynchronousStandby(): Promise<PostgresServer> {
    const standby = new PostgresServer({ ...(await emptyPlace()), password: this.password });
    const primary = `${this.#conninfo()} application_name=standby`;
    const copy = ["-D", standby.#data, "-R", "-X", "stream", "-c", "fast"];
    await standby.#run("pg_basebackup", [...copy, "-d", primary]);
    await standby.start();
    await this.query("alter system set synchronous_standby_names = 'standby'", "postgres");
    await this.query("select pg_reload_conf()", "postgres");
    await waitUntil(
      async () => {
        const rows = await this.query("select sync_state from pg_stat_replication", "postgres");
        return rows.some((row) => row["sync_state"] === "sync");
      },
      { deadlineMs: startMsMax, what: "the standby is synchronous" },
    );
    return standby;
  }

  /** Makes a standby the primary, which does not wait for a standby of its own. */
  async promote(): Promise<void> {
    await this.query("alter system reset synchronous_standby_names", "postgres");
    await this.query("select pg_promote(true, 20)", "postgres");
  }

  #conninfo(): string {
    return `host=127.0.0.1 port=${this.port} user=${superuser} password=${this.password}`;
  }

  /** A new database cluster with its own superuser and password, started. */
  static async create(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
    const server = new PostgresServer({
      ...(await emptyPlace()),
      password: randomBytes(16).toString("hex"),
    });
    const passwordFile = join(server.folder, "password");
    await writeFile(passwordFile, server.password, { mode: 0o600 });
    await own(passwordFile);
    const login = ["-U", superuser, "-A", "scram-sha-256", "--pwfile", passwordFile];
    await server.#run("initdb", ["-D", server.#data, ...login]);
    await server.configure(settings);
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
    const child = spawn(
      join(this.#bin, "postgres"),
      [...args, "-c", "listen_addresses=127.0.0.1", "-c", "logging_collector=off"],
      { ...unprivileged(), cwd: this.folder, stdio: ["ignore", "ignore", "ignore"] },
    );
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
    const client = new pg.Client({
      host: "127.0.0.1",
      port: this.port,
      user: superuser,
      password: this.password,
      database,
    });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async createDatabase(): Promise<string> {
    const name = `db_${randomBytes(6).toString("hex")}`;
    await this.query(`create database ${name}`, "postgres");
    return name;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #run(program: string, args: readonly string[]): Promise<void> {
    await run(join(this.#bin, program), args, { ...unprivileged(), cwd: this.folder });
  }
}

async function emptyPlace(): Promise<{ folder: string; port: number; bin: string }> {
  const versions = await readdir(installations).catch(() => []);
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined)
    throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  const folder = await mkdtemp(join(tmpdir(), `${runPrefix()}pg-`));
  await own(folder);
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
