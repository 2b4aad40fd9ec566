import { join } from "node:path";
import { DomainError } from "../../kit/index.ts";
import type { MemberAt, PeerMember } from "../driver-code.ts";
import { liveFile } from "../live-files.ts";
import { runCommand, runToSuccess } from "../run-command.ts";
import { tell } from "../tell.ts";

const stopSecondsMax = 120;
const querySecondsMax = 90;

export interface PostgresServer {
  readonly name: string;
  /** PGDATA; its configuration is elsewhere. */
  readonly data: string;
  readonly configuration: string;
  /** Runs one of PostgreSQL's programs as the server's account; resolves with what it prints. */
  run(program: string, args: readonly string[], limitSeconds?: number): Promise<string>;
  /** `empty`: there is no database cluster yet. */
  state(): Promise<"running" | "stopped" | "empty">;
  /** Whether it wrote as the active one when it last ran, as its control file says. */
  wasActive(): Promise<boolean>;
  /** Columns of the first row, as psql prints them; on this host, or at another one by its conninfo. */
  query(sql: string, conninfo?: string): Promise<string[]>;
  /** From now on it starts as a standby only, whoever starts it. */
  markAsStandby(): Promise<void>;
  /** Ends sessions, and resolves when standbys have all that was written. Nothing if it does not run. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** The server of a member: its programs are run on this host, in the account that owns its data. */
export function serverAt(member: MemberAt): PostgresServer {
  const { name, values } = member;
  const { bin = "", data = "", configuration = "", account = "", socketFolder = "" } = values;
  const run: PostgresServer["run"] = (program, args, limitSeconds = querySecondsMax) => {
    const command = { run: [join(bin, program), ...args], asUser: account, limitSeconds };
    return runToSuccess(command, `${program} for ${name}`);
  };
  const state: PostgresServer["state"] = async () => {
    const asked = { run: [join(bin, "pg_ctl"), "status", "-D", data], asUser: account };
    const { status } = await runCommand(asked);
    if (status === 0) return "running";
    return status === 3 ? "stopped" : "empty";
  };
  const here = `host=${quoted(socketFolder)} port=${values["port"]} dbname=postgres`;
  return {
    name,
    data,
    configuration,
    run,
    state,
    query: async (sql, conninfo = here) => {
      const args = ["-X", "-A", "-t", "-q", "-w", "-F", "\t", "-c", sql, conninfo];
      const asked = { run: [join(bin, "psql"), ...args], asUser: account };
      const { status, output } = await runCommand({ ...asked, limitSeconds: querySecondsMax });
      const [row = ""] = output.split("\n");
      if (status === 0) return row.split("\t");
      // psql ends with 2 where the connection failed (its manual page, EXIT STATUS).
      const code = status === 2 ? "unreachable" : "conflict";
      throw new DomainError(code, `PostgreSQL of ${name} does not answer: ${row}`);
    },
    stop: async () => {
      if ((await state()) !== "running") return;
      const how = ["-D", data, "-m", "fast", "-w", "-t", String(stopSecondsMax)];
      await run("pg_ctl", ["stop", ...how], stopSecondsMax + 10);
    },
    wasActive: async () =>
      !/^Database cluster state:.*recovery$/m.test(await run("pg_controldata", ["-D", data])),
    markAsStandby: async () => {
      // By its own account, which has to remove it at a promotion.
      const touch = { run: ["touch", join(data, "standby.signal")], asUser: account };
      await runToSuccess(touch, `the mark of the standby ${name}`);
    },
    start: async () => {
      const { restart } = member.description;
      if (member.restart !== undefined) await member.restart();
      else if (restart !== undefined) await tell(restart, name, "restart");
      else
        throw new DomainError(
          "invalid-input",
          `the driver of ${name} does not say how it is started: add restart`,
        );
    },
  };
}

/**
 * How a member connects to another one (libpq): by TLS, as itself, and to members only. A password
 * that the other one asks for is in the variable `passwordFile` (libpq's form, PGPASSFILE).
 */
export function conninfoOf({ description, values }: MemberAt, peer: PeerMember): string {
  const words = {
    host: peer.address,
    port: peer.values["port"],
    user: values["replicationUser"],
    passfile: values["passwordFile"],
    sslmode: "verify-ca",
    sslrootcert: liveFile(description, "trust-bundle"),
    sslcert: liveFile(description, "certificate-and-chain", "certificate"),
    sslkey: liveFile(description, "key"),
    connect_timeout: "10",
  };
  return Object.entries(words)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quoted(value)}`]))
    .join(" ");
}

function quoted(value: string): string {
  return `'${value.replaceAll(/[\\']/g, "\\$&")}'`;
}

/** Text as a literal of SQL, and of PostgreSQL's configuration. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
