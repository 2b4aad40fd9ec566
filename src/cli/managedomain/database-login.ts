import { resolve } from "node:path";
import { DomainError } from "../../kit/index.ts";
import type { DatabaseLogin } from "../../node/local.ts";
import type { CommandContext } from "../command-context.ts";
import type { Given } from "./command-line.ts";

/** How this host, which becomes an Admin Node Manager, logs in to the database; null for a plain one. */
export function givenDatabaseLogin(given: Given, isAdmin: boolean): DatabaseLogin | null {
  const file = given.text("db_password_file");
  const command = given.text("db_password_exec");
  if (!isAdmin) {
    if (file === undefined && command === undefined) return null;
    throw new DomainError("usage", "--db_password_file and --db_password_exec go with --is_admin");
  }
  if (file !== undefined && command !== undefined)
    throw new DomainError("usage", "give --db_password_file or --db_password_exec: one of the two");
  if (file !== undefined) return { passwordFile: resolve(file) };
  return command === undefined ? {} : { passwordExec: ["/bin/sh", "-c", command] };
}

/** Warns, with what to correct, if this home, which has joined, cannot log in to the database. */
export async function tryDatabaseLogin(
  { terminal, options }: Pick<CommandContext, "terminal" | "options">,
  login: DatabaseLogin,
): Promise<void> {
  const { databaseLoginProblem } = await import("../../admin/offline.ts");
  const problem = await databaseLoginProblem(options.home);
  if (problem === null) return;
  const settings = `${options.home}/conf/database.json`;
  const correct =
    login.passwordFile === undefined
      ? `passwordFile or passwordExec in ${settings}`
      : `${login.passwordFile}, which ${settings} names`;
  terminal.err(
    `warning: this host has joined and cannot log in to the database: ${problem}; correct ${correct}, then run \`gatehouse node start --home ${options.home}\`: until then its Admin Node Manager does not serve`,
  );
}
