import { pino, type Logger } from "pino";

/** Where secrets could stand in something that is logged; they are cut out whole. */
const secretPaths = [
  "password",
  "token",
  "proof",
  "*.password",
  "*.token",
  "*.proof",
  "req.headers.authorization",
  "headers.authorization",
];

/** Lines that cannot be written wait until there are this many bytes of them; further ones are lost. */
const waitingBytesMax = 1024 * 1024;

/** JSON lines on standard output, each with the process and the host it is about. */
export function createLogger(name: string, hostId: string): Logger {
  const level = process.env["GATEHOUSE_LOG_LEVEL"] ?? "info";
  const destination = pino.destination({ dest: 1, sync: true, maxLength: waitingBytesMax });
  // With a full disk it serves on: what waits is written when there is room.
  destination.on("error", () => undefined);
  const base = { host: hostId, pid: process.pid };
  const redact = { paths: secretPaths, censor: "[redacted]" };
  return pino({ name, level, base, redact }, destination);
}
