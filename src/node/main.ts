import { pino, type Logger } from "pino";
import { describeError, DomainError, errorCodes, isDomainError } from "../kit/index.ts";
import type { NodeSettings } from "../domain/index.ts";
import { runNodeManager } from "./node-manager.ts";

function createLogger(settings: NodeSettings): Logger {
  const level = process.env["GATEHOUSE_LOG_LEVEL"] ?? "info";
  return pino({
    name: "node-manager",
    level,
    base: { host: settings.hostId, pid: process.pid },
    redact: {
      paths: ["password", "token", "proof", "*.password", "*.token", "*.proof"],
      censor: "[redacted]",
    },
  });
}

const homeAt = process.argv.indexOf("--home");
const home = homeAt < 0 ? undefined : process.argv[homeAt + 1];
try {
  if (home === undefined) throw new DomainError("usage", "the Node Manager needs --home FOLDER");
  const ending = new AbortController();
  const stop = (): void => ending.abort();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  await runNodeManager({ home, log: createLogger }, ending);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${isDomainError(error) ? error.message : describeError(error)}\n`);
  process.exit(isDomainError(error) ? errorCodes[error.code].exit : errorCodes.internal.exit);
}
