import { X509Certificate } from "node:crypto";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, errorCodes, type ErrorCode } from "../../kit/index.ts";
import { ensureFolder, readCurrent, type Passphrases } from "../../keys/index.ts";
import { openLocalHome } from "../../node/local.ts";
import type { CommandContext } from "../command-context.ts";
import { handPassphrases, isAlive, readMark } from "../../transport/index.ts";
import { nodeStatus } from "../node-control.ts";
import { askedPassphrases } from "../asked-passphrases.ts";
import { refuseRunning, requireJoined } from "./node.ts";

const startMsMax = 60_000;
/** A plain Node Manager that nobody answers for so long works on with the state it last had. */
const connectMsMax = 3_000;
/** An Admin Node Manager that still fails after this long does not heal by itself. */
const adminFailsMsMax = 5_000;
const pollMs = 100;

const ownProgram = join(import.meta.dirname, "..", "gatehouse.js");

/**
 * `gatehouse node start`: the supervisor in the background. Returns once the Node Manager works;
 * throws what it, or the Admin Node Manager of this host, ends with.
 */
export async function startNode({
  options: { home },
  terminal,
}: Pick<CommandContext, "terminal" | "options">): Promise<void> {
  const { layout, settings } = await requireJoined(home);
  await refuseRunning(home);
  await refuseExpired(home);
  await refuseTakenPort(settings.port);
  await ensureFolder(layout.logs, 0o700);
  const nodeLog = await LogTail.open(join(layout.logs, "node.log"));
  const adminLog = await LogTail.open(join(layout.logs, "admin.log"));
  const passphrases = await askedPassphrases({ terminal }, layout);
  const supervisor = startSupervisor(home, nodeLog.path, passphrases);
  const startedAtMs = performance.now();
  for (;;) {
    const status = await Promise.race([supervisor.ended, sleep(pollMs)]);
    if (status !== undefined) throw await endedWith(status, nodeLog);
    const afterMs = performance.now() - startedAtMs;
    const running = await nodeStatus(home);
    const worksAlone = !settings.isAdmin && afterMs > connectMsMax;
    const adminServes = !settings.isAdmin || (await isMarkedAlive(join(layout.run, "admin.json")));
    if (running !== null && adminServes && (running.connected || worksAlone)) {
      terminal.out(`Node Manager ${running.process} runs on ${home} (process ${running.pid}).`);
      if (!running.connected)
        terminal.err("it waits for an Admin Node Manager, with the state it last had");
      return;
    }
    const failure = afterMs > adminFailsMsMax ? await adminLog.lastFailure() : null;
    if (failure !== null && isWaitingForStore(failure) && running !== null) {
      terminal.out(`Node Manager ${running.process} runs on ${home} (process ${running.pid}).`);
      return terminal.err(
        `its Admin Node Manager does not serve yet, and tries on: ${failure.message}`,
      );
    }
    if (failure !== null && !isWaitingForStore(failure)) {
      await supervisor.stop();
      throw failure;
    }
    if (afterMs > startMsMax)
      throw new DomainError(
        "timeout",
        `the Node Manager is not ready after ${startMsMax / 1000} s and is still being tried: see ${layout.logs}`,
      );
  }
}

/**
 * Throws `authority-unavailable` for the only Admin Node Manager when its certificate has expired: it
 * would serve nobody. Throws `awaiting-signature` where another is waited for.
 */
async function refuseExpired(home: string): Promise<void> {
  const { layout, joined } = await openLocalHome(home);
  const admins = joined?.trust.document.admins ?? [];
  if (joined?.settings.isAdmin !== true || admins.length > 1) return;
  const validTo = await readEnd(layout.nodeCredential);
  if (validTo === null || Date.parse(validTo) > Date.now()) return;
  const { awaitsRecovery } = await import("../../admin/offline.ts");
  if (await awaitsRecovery(home))
    throw new DomainError(
      "awaiting-signature",
      `${home} waits for the certificate that \`gatehouse recover\` asked for: \`gatehouse signing submit FOLDER\` brings it`,
    );
  throw new DomainError(
    "authority-unavailable",
    `the certificate of this Admin Node Manager has expired (${validTo}), and no other can give it one: \`gatehouse recover\` brings the domain back`,
  );
}

/** When the certificate in a credential folder ends; null for none, or one that the start itself will name as damaged. */
async function readEnd(folder: string): Promise<string | null> {
  try {
    const generation = await readCurrent(folder);
    return generation && new X509Certificate(generation.certificatePem).validTo;
  } catch {
    return null;
  }
}

/** What the database, or the way to it, has to be mended for: instances are supervised meanwhile. */
function isWaitingForStore(failure: DomainError): boolean {
  return failure.code === "store-unavailable";
}

async function isMarkedAlive(file: string): Promise<boolean> {
  const mark = await readMark(file);
  return mark !== null && (await isAlive(mark));
}

interface StartedSupervisor {
  /** Its exit status, if it ends. */
  readonly ended: Promise<number>;
  /** Ends it, with the Node Manager. */
  stop(): Promise<unknown>;
}

/** Starts this program again, as supervisor in a session of its own. */
function startSupervisor(
  home: string,
  logFile: string,
  passphrases: Passphrases | null,
): StartedSupervisor {
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, [ownProgram, "node", "run", "--home", home], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    cwd: "/",
  });
  handPassphrases(child, passphrases);
  closeSync(log);
  child.unref();
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status) => resolve(status ?? errorCodes.internal.exit));
  });
  const stop = (): Promise<unknown> => {
    child.ref();
    child.kill("SIGTERM");
    return ended;
  };
  return { ended, stop };
}

async function endedWith(status: number, log: LogTail): Promise<DomainError> {
  const found = Object.entries(errorCodes).find(([, { exit }]) => exit === status);
  const line = await log.lastPlainLine();
  return new DomainError(
    (found?.[0] as ErrorCode | undefined) ?? "internal",
    line ?? `the Node Manager ended with status ${status}: see ${log.path}`,
  );
}

/** Found out here, since the process that needs the port is started by another one. */
function refuseTakenPort(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        cause.code === "EADDRINUSE"
          ? new DomainError(
              "port-in-use",
              `port ${port} is taken by another process: stop that first`,
              { cause },
            )
          : cause,
      ),
    );
    server.listen(port, "0.0.0.0", () => server.close(() => resolve()));
  });
}

/** What is written to a log from now on. */
class LogTail {
  readonly path: string;
  readonly #from: number;

  private constructor(path: string, from: number) {
    this.path = path;
    this.#from = from;
  }

  static async open(path: string): Promise<LogTail> {
    return new LogTail(path, existsSync(path) ? (await stat(path)).size : 0);
  }

  /** The last line that is for people: log records are JSON. */
  async lastPlainLine(): Promise<string | null> {
    const plain = (await this.#lines()).findLast((line) => !line.startsWith("{"));
    return plain?.replace(/^gatehouse: /, "") ?? null;
  }

  /** The error that a process ended with, as its log has it. */
  async lastFailure(): Promise<DomainError | null> {
    const record = (await this.#lines()).findLast((line) => /^\{"level":60,.*\}$/.test(line));
    if (record === undefined) return null;
    const { code, msg } = JSON.parse(record) as { code?: string; msg?: string };
    return code !== undefined && code in errorCodes
      ? new DomainError(code as ErrorCode, String(msg))
      : null;
  }

  async #lines(): Promise<string[]> {
    if (!existsSync(this.path)) return [];
    const text = (await readFile(this.path)).subarray(this.#from).toString("utf8");
    return text.split("\n").filter((line) => line.trim() !== "");
  }
}
