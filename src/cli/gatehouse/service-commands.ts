import type { Command } from "commander";
import type { ContextOf } from "./program.ts";
import type { SwitchOverWish } from "./services.ts";

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
    .command("switch-over")
    .description("make another member of a pair the active one, and wait until it is")
    .argument("<service>", "its name or id")
    .option("--to <member>", "name or id; the other one where it is not given")
    .option("--promote", "also where the present one is dead, and hands nothing over")
    .option("--timeout <duration>", "how long to wait", "1m")
    .action(async (name: string, options: SwitchOverWish, command: Command) =>
      (await services()).switchOver(contextOf(command), name, options),
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
