import type { Admin, OpenAdmin } from "./admin-session.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import type { Terminal } from "./terminal.ts";

/** What a command works with. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly options: ConnectionOptions;
  /** Print JSON instead of text. */
  readonly json: boolean;
  readonly openAdmin: OpenAdmin;
}

/** Runs `work` as a user who has logged in, and ends the session and connection after it. */
export async function asAdmin<T>(
  context: Pick<CommandContext, "terminal" | "options" | "openAdmin">,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = await context.openAdmin(context.options, context.terminal);
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/** Prints a result: as JSON where that was asked for, else what `text` makes of it. */
export function printResult<T>(
  { terminal, json }: Pick<CommandContext, "terminal" | "json">,
  result: T,
  text: (result: T) => string,
): void {
  const shown = json ? JSON.stringify(result, null, 2) : text(result);
  if (shown !== "") terminal.out(shown);
}
