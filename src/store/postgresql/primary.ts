import { setTimeout as pause } from "node:timers/promises";
import { DomainError, isDomainError } from "../../kit/index.ts";
import { formatServer, type DatabaseAddress, type DatabaseServer } from "./address.ts";
import { Connection } from "./connection.ts";

/** Which database it is, and how often it was promoted: what must never go back. */
export interface DatabaseIdentity {
  /** Made by `initdb`; all copies of one database share it. */
  readonly systemIdentifier: string;
  /** Rises with every promotion (PostgreSQL documentation, "Timelines"). */
  readonly timeline: number;
}

/** How to log in, and what is remembered of the database from earlier. */
export interface DatabaseAccess {
  readonly address: DatabaseAddress;
  /** Asked for at every login, so that it can be replaced; undefined: none is needed. */
  readonly password: () => Promise<string | undefined>;
  /** Null before the first connection. */
  readonly known: () => DatabaseIdentity | null;
  /** Keeps the identity before anything is written to the database. */
  readonly remember: (identity: DatabaseIdentity) => Promise<void>;
}

interface Primary {
  readonly connection: Connection;
  readonly identity: DatabaseIdentity;
}

/** Servers that answer a little later than the first may be the ones that were promoted since. */
const latecomersMs = 300;

const question = `select pg_is_in_recovery() as standby,
  current_setting('transaction_read_only') as read_only,
  (select system_identifier::text from pg_control_system()) as system_identifier,
  case when pg_is_in_recovery() then null
    else substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) end as timeline`;

/**
 * Connects to the server of the database that takes writes. A primary that was replaced and came
 * back has a lower timeline than the one known, and is refused; of two, the newer one is taken.
 * Throws `store-unavailable` with the reason for each server.
 */
export async function openPrimary(access: DatabaseAccess): Promise<Connection> {
  const { servers } = access.address;
  const found: Primary[] = [];
  const reasons: string[] = [];
  let isDecided = false;
  const tries = servers.map(async (server) => {
    try {
      const primary = await examine(server, access);
      if (isDecided) primary.connection.close();
      else found.push(primary);
    } catch (error) {
      reasons.push(`${formatServer(server)} ${reasonOf(error)}`);
    }
  });
  await Promise.race([Promise.all(tries), firstOf(tries, found).then(() => pause(latecomersMs))]);
  isDecided = true;
  const [newest, ...others] = found.toSorted((a, b) => b.identity.timeline - a.identity.timeline);
  for (const { connection } of others) connection.close();
  if (newest === undefined)
    throw new DomainError(
      "store-unavailable",
      `no server of the database takes writes: ${reasons.toSorted().join("; ")}`,
    );
  await keepIdentity(access, newest.identity);
  return newest.connection;
}

/** Resolves when one of the tries has found a primary; never if none does. */
function firstOf(tries: readonly Promise<void>[], found: readonly Primary[]): Promise<void> {
  return new Promise((resolve) => {
    for (const each of tries)
      void each.then(() => {
        if (found.length > 0) resolve();
      });
  });
}

async function examine(server: DatabaseServer, access: DatabaseAccess): Promise<Primary> {
  const connection = await Connection.open(server, access.address, await access.password());
  try {
    const [answer = {}] = await connection.execute(question);
    if (answer["standby"] === true) throw refusal("is a standby");
    if (answer["read_only"] === "on") throw refusal("takes no writes (it is set to read only)");
    const identity = {
      systemIdentifier: String(answer["system_identifier"]),
      timeline: Number.parseInt(String(answer["timeline"]), 16),
    };
    refuseOlder(identity, access.known());
    return { connection, identity };
  } catch (error) {
    connection.close();
    throw error;
  }
}

function refuseOlder(found: DatabaseIdentity, known: DatabaseIdentity | null): void {
  if (known === null) return;
  if (found.systemIdentifier !== known.systemIdentifier)
    throw refusal(
      `is another database (system identifier ${found.systemIdentifier}, not ${known.systemIdentifier})`,
    );
  if (found.timeline < known.timeline)
    throw refusal(
      `is a primary of the past (timeline ${found.timeline}, known is ${known.timeline}): make it a standby of the present one`,
    );
}

async function keepIdentity(access: DatabaseAccess, found: DatabaseIdentity): Promise<void> {
  const known = access.known();
  if (known?.timeline !== found.timeline) await access.remember(found);
}

function refusal(why: string): DomainError {
  return new DomainError("store-unavailable", why);
}

/** In a few words, without what might hold a secret. */
function reasonOf(error: unknown): string {
  if (isDomainError(error)) return error.message;
  const { code = "" } = error as { code?: string };
  const { message } = error as Error;
  // The driver gives these two no code.
  if (message.includes("does not support SSL"))
    return "does not offer TLS: set it up there, or add sslmode=disable to the URL";
  if (message.includes("client password must be a"))
    return "asks for a password, and none is given: --db-password-file (--db_password_file of managedomain) puts it into conf/database.json";
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "refuses connections: is the server running there?",
    ENOTFOUND: "is a name that cannot be resolved",
    EHOSTUNREACH: "cannot be reached over the network",
    ENOENT: "has no socket there",
    "28P01": "refuses the password: check it and the user",
    "28000": "lets this user not in from here: look at its pg_hba.conf",
    "3D000": "has no such database: make it there with CREATE DATABASE, or check the URL",
    "42501": "gives the user no right to the database: make the user its owner",
    CERT_HAS_EXPIRED: "shows a certificate that has expired",
    ERR_TLS_CERT_ALTNAME_INVALID: "shows a certificate for another name",
    SELF_SIGNED_CERT_IN_CHAIN: "shows a certificate of an unknown CA: give it by sslrootcert",
    DEPTH_ZERO_SELF_SIGNED_CERT: "shows a certificate of an unknown CA: give it by sslrootcert",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: "shows a certificate of an unknown CA: give it by sslrootcert",
    "57P03": "is starting up",
    "53300": "has no connection left",
  };
  return reasons[code] ?? `does not answer as a database (${code === "" ? "no reply" : code})`;
}
