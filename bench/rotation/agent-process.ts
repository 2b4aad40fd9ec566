import { pino } from "pino";
import { runNodeManager } from "../../src/node/node-manager.ts";
import { inProcess } from "./in-process-instance.ts";

/** The homes of the hosts that one process stands for. */
export interface AgentOrder {
  readonly homes: readonly string[];
}

/** Real Node Managers of many hosts, and the gateway instances of all of them, in one process. */
process.once("message", ({ homes }: AgentOrder) => {
  const ending = new AbortController();
  process.once("SIGTERM", () => ending.abort());
  const log = pino({ level: process.env["GATEHOUSE_LOG_LEVEL"] ?? "error" });
  Promise.all(
    homes.map((home) =>
      runNodeManager(
        { home, keeperOf: inProcess, log: (of) => log.child({ host: of.hostId }) },
        ending,
      ),
    ),
  ).then(
    () => process.exit(0),
    (error: unknown) => {
      log.fatal({ err: error }, "the agent ended");
      process.exit(1);
    },
  );
});
process.once("disconnect", () => process.exit(0));
