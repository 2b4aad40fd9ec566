import { Option, type Command } from "commander";
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
  addStatusCommands(service, program, contextOf);
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

/** How a service is. */
function addStatusCommands(service: Command, program: Command, contextOf: ContextOf): void {
  service
    .command("status")
    .description("one verdict over all members; exit status 54 where it is not good")
    .argument("<service>", "its name or id")
    .addOption(
      new Option(
        "--format <format>",
        "amlen: each member's own status in the documented shape, as JSON",
      ).choices(["text", "amlen"]),
    )
    .action(async (name: string, options: { format?: string }, command: Command) =>
      (await import("./service-status.ts")).showStatus(
        contextOf(command),
        name,
        options.format === "amlen",
      ),
    );
  program
    .command("doctor")
    .description(
      "why a member of a service is not in, and what to do; exit status 54 where something is found",
    )
    .argument("<service>", "its name or id")
    .action(async (name: string, _options, command: Command) =>
      (await import("./service-status.ts")).examine(contextOf(command), name),
    );
}
