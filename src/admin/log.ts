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

/** JSON lines on standard output, each with the process and the host it is about. */
export function createLogger(name: string, hostId: string): Logger {
  const level = process.env["GATEHOUSE_LOG_LEVEL"] ?? "info";
  return pino({
    name,
    level,
    base: { host: hostId, pid: process.pid },
    redact: { paths: secretPaths, censor: "[redacted]" },
  });
}
