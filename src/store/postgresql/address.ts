import { isIP } from "node:net";
import { DomainError } from "../../kit/index.ts";

/** Where the database is, and how its server proves itself. */
export interface DatabaseAddress {
  /** All members of one replicated database; which of them is the primary is found out. */
  readonly servers: readonly DatabaseServer[];
  readonly database: string;
  readonly user: string;
  /** `verify-full`: TLS, with chain and name verified. `disable`: no TLS, only where it was asked for. */
  readonly sslMode: "verify-full" | "disable";
  /** PEM file of the CAs for the server's certificate; null: those of the system. */
  readonly rootCertificateFile: string | null;
}

export interface DatabaseServer {
  /** A host name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

const defaultPort = 5432;
const knownOptions = new Set(["sslmode", "sslrootcert", "host"]);

/**
 * Reads a connection URL in the form of libpq with one or several servers:
 * `postgresql://USER@HOST[:PORT][,HOST[:PORT]]/DATABASE?sslrootcert=FILE`. Throws `invalid-input`,
 * also for a password in it: a URL ends up in process lists and logs.
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^@/?]*)\/([^/?]*)(?:\?(.*))?$/.exec(text);
  const [, userInfo = "", servers = "", database = "", query = ""] = match ?? [];
  if (match === null || database === "" || userInfo === "")
    throw refusal(
      "it has to be postgresql://USER@HOST[:PORT][,HOST[:PORT]]/DATABASE[?sslrootcert=FILE]",
    );
  if (userInfo.includes(":"))
    throw refusal(
      "it must not hold a password: give that by a password file or program (--db-password-file, --db-password-exec)",
    );
  const options = new URLSearchParams(query);
  for (const name of options.keys())
    if (!knownOptions.has(name)) throw refusal(`the option ${name} is not known`);
  const sslMode = options.get("sslmode") ?? "verify-full";
  if (sslMode !== "verify-full" && sslMode !== "disable")
    throw refusal(`sslmode is verify-full or disable, not ${sslMode}`);
  const socketFolder = options.get("host");
  return {
    servers:
      socketFolder === null
        ? servers.split(",").map(parseServer)
        : [{ host: socketFolder, port: defaultPort }],
    database: decodeURIComponent(database),
    user: decodeURIComponent(userInfo),
    sslMode,
    rootCertificateFile: options.get("sslrootcert"),
  };
}

function parseServer(text: string): DatabaseServer {
  const [, bracketed, plain, port] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || (bracketed !== undefined && isIP(bracketed) !== 6))
    throw refusal(`"${text}" is not a host with an optional port`);
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

function refusal(why: string): DomainError {
  return new DomainError("invalid-input", `the database URL cannot be used: ${why}`);
}

/** `HOST:PORT`, for messages. */
export function formatServer({ host, port }: DatabaseServer): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
