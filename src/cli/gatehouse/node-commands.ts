import type { Command } from "commander";
import type { ContextOf } from "./program.ts";

/** What runs on this very host: its Node Manager. */
export function addNodeCommands(
  program: Command,
  contextOf: ContextOf,
  end: (status: number) => void,
): void {
  const node = program.command("node").description("the Node Manager of this host");
  node
    .command("run")
    .description("run it in the foreground, and again when it dies")
    .option("--no-supervise", "end when it ends: for systemd, which starts it again itself")
    .action(async (options: { supervise: boolean }, command: Command) => {
      const { runNode } = await import("./node.ts");
      end(await runNode(contextOf(command), options.supervise));
    });
  node
    .command("start")
    .description("run it in the background; its output goes to logs/node.log")
    .action(async (_options, command: Command) =>
      (await import("./node-start.ts")).startNode(contextOf(command)),
    );
  node
    .command("stop")
    .description("end it; instances go on serving")
    .action(async (_options, command: Command) =>
      (await import("./node.ts")).stopNodeOf(contextOf(command)),
    );
  node
    .command("status")
    .description("show it; exit status 31 where it does not run")
    .action(async (_options, command: Command) =>
      (await import("./node.ts")).showNode(contextOf(command)),
    );
}
