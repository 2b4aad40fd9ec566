import type { Command } from "commander";
import type { ContextOf } from "./program.ts";

/** Services of other vendors' servers. */
export function addServiceCommands(program: Command, contextOf: ContextOf): void {
  const services = () => import("./services.ts");
  program
    .command("apply")
    .description("make services what a file declares; those that it does not name stay as they are")
    .requiredOption("-f, --file <file>", "YAML: see docs/services.md")
    .action(async (options: { file: string }, command: Command) =>
      (await services()).apply(contextOf(command), options.file),
    );
  const service = program.command("service").description("pairs, clusters and replicas of servers");
  service
    .command("list")
    .description("every service and its members")
    .action(async (_options, command: Command) =>
      (await services()).listServices(contextOf(command)),
    );
  service
    .command("show")
    .description("what each member of a service was last seen to be")
    .argument("<service>", "its name or id")
    .action(async (name: string, _options, command: Command) =>
      (await services()).showService(contextOf(command), name),
    );
  service
    .command("delete")
    .description(
      "remove a service: supervised members are stopped, others run on with what they have",
    )
    .argument("<service>", "its name or id")
    .action(async (name: string, _options, command: Command) =>
      (await services()).deleteService(contextOf(command), name),
    );
}
