import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { freePort } from "../../test/support/free-port.ts";

/** Where cfssl keeps what it issued. */
export interface CfsslDatabase {
  readonly name: string;
  readonly config: { readonly driver: string; readonly data_source: string };
  /** Processes of a database server. */
  pids(): number[];
  stop(): Promise<void> | void;
}

/** The table of cfssl's own migrations (certdb/*\/migrations), in types that both databases know. */
function schema(bytes: "blob" | "bytea"): string {
  return `create table certificates (
    serial_number ${bytes} not null, authority_key_identifier ${bytes} not null, ca_label ${bytes},
    status ${bytes} not null, reason int, expiry timestamp, revoked_at timestamp,
    pem ${bytes} not null, primary key (serial_number, authority_key_identifier))`;
}

export function sqliteDatabase(folder: string): CfsslDatabase {
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/certs.db`;
  const db = new Database(file);
  db.exec(schema("blob"));
  db.close();
  const config = { driver: "sqlite3", data_source: file };
  return { name: "SQLite", config, pids: () => [], stop: () => undefined };
}

const postgresFolder = "/usr/lib/postgresql";

/** A PostgreSQL server of its own, with its usual durable settings; null where it cannot be had. */
export async function postgresDatabase(): Promise<CfsslDatabase | null> {
  const [version] = existsSync(postgresFolder) ? readdirSync(postgresFolder) : [];
  if (version === undefined || process.getuid?.() !== 0) return null;
  const bin = `${postgresFolder}/${version}/bin`;
  const folder = mkdtempSync(join(tmpdir(), "gatehouse-bench-"));
  const data = `${folder}/data`;
  const port = await freePort();
  execFileSync("chown", ["postgres", folder]);
  const asPostgres = (program: string, args: readonly string[]): void => {
    const command = ["-u", "postgres", "--", `${bin}/${program}`, ...args];
    const { status } = spawnSync("runuser", command, { cwd: folder, stdio: "ignore" });
    if (status !== 0) throw new Error(`${program} failed with status ${status}`);
  };
  asPostgres("initdb", ["-D", data, "-A", "trust"]);
  const options = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1`;
  asPostgres("pg_ctl", ["-D", data, "-w", "-l", `${folder}/log`, "-o", options, "start"]);
  asPostgres("psql", ["-h", "127.0.0.1", "-p", String(port), "-c", schema("bytea")]);
  return {
    name: `PostgreSQL ${version}`,
    config: {
      driver: "postgres",
      data_source: `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=disable`,
    },
    pids: () => processesOf(Number(readFileSync(`${data}/postmaster.pid`, "utf8").split("\n")[0])),
    stop() {
      asPostgres("pg_ctl", ["-D", data, "-w", "-m", "fast", "stop"]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A server process and its children, one for each connection. */
function processesOf(pid: number): number[] {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return [pid, ...stdout.split("\n").filter(Boolean).map(Number)];
}
