import { resolve } from "node:path";
import { DomainError, isDomainError } from "../../kit/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { count, table } from "../render/table.ts";

/** `gatehouse store check`. */
export function checkStore(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const found = await admin.call("checkStore");
    printResult(context, found, ({ kind, servers, findings }) => {
      const where = kind === "embedded" ? "in the home folder" : `PostgreSQL on ${servers.join()}`;
      if (findings.length === 0)
        return `The store is ${where}: nothing was found that stands in the way of high availability.`;
      const rows = findings.map(({ severity, code, text }) => [severity, code, text]);
      return `The store is ${where}.\n${table(["SEVERITY", "CODE", "WHAT"], rows)}`;
    });
  });
}

export interface MoveWish {
  readonly to: string;
  readonly dbPasswordFile?: string;
  readonly dbPasswordExec?: readonly string[];
}

/** A large store takes minutes, during which it is in use. */
const moveMsMax = 3_600_000;

/** `gatehouse store migrate`. Throws `invalid-input`, `store-unavailable`, `already-exists`. */
export function migrateStore(context: CommandContext, wish: MoveWish): Promise<void> {
  const { to: url, dbPasswordFile, dbPasswordExec } = wish;
  if (dbPasswordFile !== undefined && dbPasswordExec !== undefined)
    throw new DomainError("usage", "give --db-password-file or --db-password-exec: one of the two");
  return asAdmin(context, async (admin) => {
    const offline = await import("../../admin/offline.ts");
    await offline.saveDatabaseSettings(context.options.home, {
      url,
      ...(dbPasswordFile === undefined ? {} : { passwordFile: resolve(dbPasswordFile) }),
      ...(dbPasswordExec === undefined ? {} : { passwordExec: dbPasswordExec }),
    });
    const call = admin.call("moveStore", { timeoutMs: moveMsMax });
    const moved = await call.catch(async (error: unknown) => {
      // What gave no answer may go on.
      if (!isDomainError(error, "timeout") && !isDomainError(error, "unreachable"))
        await offline.forgetDatabaseSettings(context.options.home);
      throw error;
    });
    printResult(
      context,
      moved,
      ({ records, issuances, heldMs }) =>
        `The store is in the database: ${count(records, "audit record")}, ${count(issuances, "issuance")}; writes waited ${(heldMs / 1000).toFixed(1)} s. Look at \`gatehouse store check\`.`,
    );
  });
}
