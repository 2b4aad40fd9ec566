import { parseArgs } from "node:util";
import { pino, type Logger } from "pino";
import { describeError, DomainError, errorCodes } from "../kit/index.ts";
import { handedPassphrases } from "../transport/index.ts";
import { Gateway } from "./gateway.ts";

const usage = "usage: gateway --home DIR [--debug]";

/** Nothing of ours logs these; a library might. */
const redacted = ["keyPem", "passphrase", "password", "authorization", "cookie"].flatMap((name) => [
  name,
  `*.${name}`,
  `*.headers.${name}`,
]);

function readArguments(): { home: string; debug: boolean } {
  try {
    const { values } = parseArgs({
      options: { home: { type: "string" }, debug: { type: "boolean", default: false } },
    });
    if (values.home !== undefined && values.home !== "") {
      return { home: values.home, debug: values.debug };
    }
  } catch (cause) {
    throw new DomainError("usage", usage, { cause });
  }
  throw new DomainError("usage", usage);
}

function createLog(debug: boolean): Logger {
  const destination = pino.destination({ dest: 1, sync: true });
  // Whoever read the output may be gone: the instance outlives its Node Manager.
  destination.on("error", () => undefined);
  return pino({ level: debug ? "debug" : "info", redact: redacted }, destination);
}

async function main(): Promise<void> {
  const { home, debug } = readArguments();
  let gateway: Gateway | null = null;
  // By this its Node Manager reaches one whose certificates it must refuse by now. What could not
  // be loaded is in the log; before it serves, there is nothing to load again.
  process.on("SIGHUP", () => void gateway?.reload().catch(() => undefined));
  const asked = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => resolve());
  });
  const started = await Gateway.start({
    home,
    passphrases: await handedPassphrases(),
    log: createLog(debug),
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
  });
  gateway = started;
  void asked.then(() => started.stop());
  await started.ended;
  process.exit(0);
}

try {
  await main();
} catch (error) {
  const code = error instanceof DomainError ? error.code : "internal";
  const isDebug = process.argv.includes("--debug");
  const text = isDebug
    ? `${describeError(error)}\n${String(error instanceof Error ? error.stack : "")}`
    : error instanceof DomainError
      ? error.message
      : errorCodes.internal.meaning;
  process.stderr.write(`gateway: ${text}\n`);
  process.exit(errorCodes[code].exit);
}
