import { pino, type Logger } from "pino";
import { describeError, DomainError, errorCodes, isDomainError } from "../kit/index.ts";
import type { NodeSettings } from "../domain/index.ts";
import { handedPassphrases } from "../transport/index.ts";
import { runNodeManager } from "./node-manager.ts";

/** Lines that cannot be written wait until there are this many bytes of them; further ones are lost. */
const waitingBytesMax = 1024 * 1024;

function createLogger(settings: NodeSettings): Logger {
  const level = process.env["GATEHOUSE_LOG_LEVEL"] ?? "info";
  const destination = pino.destination({ dest: 1, sync: true, maxLength: waitingBytesMax });
  // With a full disk it goes on: what waits is written when there is room.
  destination.on("error", () => undefined);
  const base = { host: settings.hostId, pid: process.pid };
  const paths = ["password", "token", "proof", "*.password", "*.token", "*.proof"];
  const redact = { paths, censor: "[redacted]" };
  return pino({ name: "node-manager", level, base, redact }, destination);
}

const homeAt = process.argv.indexOf("--home");
const home = homeAt < 0 ? undefined : process.argv[homeAt + 1];
try {
  if (home === undefined) throw new DomainError("usage", "the Node Manager needs --home FOLDER");
  const ending = new AbortController();
  const stop = (): void => ending.abort();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  const passphrases = await handedPassphrases(true);
  await runNodeManager({ home, log: createLogger, passphrases }, ending);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${isDomainError(error) ? error.message : describeError(error)}\n`);
  process.exit(isDomainError(error) ? errorCodes[error.code].exit : errorCodes.internal.exit);
}
