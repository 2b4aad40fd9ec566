import { DomainError, type ErrorCode } from "../../kit/index.ts";

/** The database gave the transaction up for another one: it may succeed when it runs again. */
export class SerializationFailure extends DomainError {
  constructor(cause: unknown) {
    super("conflict", "other changes came in between each time: try again", { cause });
  }
}

/** The connection ended, or its server is not the primary any more: another one may work. */
export class ConnectionLost extends DomainError {
  constructor(cause: unknown) {
    super(
      "store-unavailable",
      "the connection to the database was lost: it is tried again, look at `gatehouse store check`",
      { cause },
    );
  }
}

/** What breaking a unique index means. */
const constraints: Readonly<Record<string, { code: ErrorCode; message: string }>> = {
  authorities_one_current: {
    code: "conflict",
    message:
      "there would be two current authorities of one usage: take the status from the present one first",
  },
  rollouts_one_changes_trust: {
    code: "rollout-active",
    message: "another rollout that changes trust is under way: finish it or roll it back first",
  },
  issuances_one_serial: {
    code: "conflict",
    message: "this authority has used the serial number before: sign again with another",
  },
};

/** Two that made the same table, or took the same position of one log, at the same time. */
const raced = /^(pg_\w+_index|(chain_links|issuances|audit_records)_pkey)$/;

/** SQLSTATE classes and codes (PostgreSQL documentation, appendix A) by what can be done about them. */
const serialization = /^(40001|40P01|55P03)$/;
const lost = /^(08...|57P0[1-5]|25006|25P0[23]|53300|57014)$/;
const refusedLogin = /^(28...|3D000|42501)$/;

/** What an error of the driver, of the server or of our own means for the caller. */
export function databaseError(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  const { code = "", constraint = "" } = error as { code?: string; constraint?: string };
  const make = (errorCode: ErrorCode, message: string): DomainError =>
    new DomainError(errorCode, message, { cause: error, context: { sqlState: code } });
  if (serialization.test(code) || raced.test(constraint)) return new SerializationFailure(error);
  const rule = constraints[constraint];
  if (code === "23505" && rule !== undefined) return make(rule.code, rule.message);
  if (code === "53100")
    return make("disk-full", "the database server has no space left: free some and try again");
  if (refusedLogin.test(code))
    return make(
      "forbidden",
      "the database refuses this user: check user, password and the rights on the database",
    );
  if (/^XX00[12]$/.test(code))
    return make("state-corrupt", "the database server reports damaged data: restore a backup");
  // What is not an answer of the server (no SQLSTATE of five characters) is the way to it.
  if (lost.test(code) || !/^[0-9A-Z]{5}$/.test(code)) return new ConnectionLost(error);
  return make("internal", "the database refused a statement");
}
