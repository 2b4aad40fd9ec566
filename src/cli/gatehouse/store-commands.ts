import type { Command } from "commander";
import type { ContextOf } from "./program.ts";
import type { MoveWish } from "./store.ts";

/** Where the domain's store is. */
export function addStoreCommands(program: Command, contextOf: ContextOf): void {
  const store = program.command("store").description("where the domain's store is");
  store
    .command("check")
    .description("what stands in the way of calling the store highly available")
    .action(async (_options, command: Command) =>
      (await import("./store.ts")).checkStore(contextOf(command)),
    );
  store
    .command("migrate")
    .description(
      "move the embedded store into PostgreSQL while it is in use, on the host of the Admin Node Manager",
    )
    .requiredOption(
      "--to <url>",
      "postgresql://USER@HOST[:PORT][,HOST[:PORT]]/DATABASE[?sslrootcert=FILE]",
    )
    .option(
      "--db-password-file <file>",
      "file on this host whose first line is the database's password",
    )
    .option(
      "--db-password-exec <program...>",
      "program and arguments that print the database's password",
    )
    .action(async (options: MoveWish, command: Command) =>
      (await import("./store.ts")).migrateStore(contextOf(command), options),
    );
}
