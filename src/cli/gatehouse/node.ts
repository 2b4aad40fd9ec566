import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DomainError, errorCodes, type ErrorCode } from "../../kit/index.ts";
import { ensureFolder } from "../../keys/index.ts";
import { isAlive, readMark, type ProcessMark } from "../../transport/index.ts";
import { openLocalHome } from "../../node/local.ts";
import { printResult, type CommandContext } from "../command-context.ts";
import { nodeStatus, stopNode, type NodeStatus } from "../node-control.ts";
import { table } from "../render/table.ts";
import { superviseNode, supervisorFile } from "./supervisor.ts";

const startMsMax = 60_000;
const stopMsMax = 60_000;
const pollMs = 100;

const ownProgram = fileURLToPath(import.meta.resolve("../gatehouse.js"));

type Context = Pick<CommandContext, "terminal" | "options" | "json">;

/** `gatehouse node run`: the Node Manager in the foreground. Resolves with its exit status. */
export async function runNode(
  { options, terminal }: Context,
  isSupervised: boolean,
): Promise<number> {
  await requireJoined(options.home);
  await refuseRunning(options.home);
  return superviseNode(options.home, terminal, isSupervised);
}

/** `gatehouse node start`: the same in the background; returns once it works, or says why it does not. */
export async function startNode({ options, terminal }: Context): Promise<void> {
  const { home } = options;
  const { settings } = await requireJoined(home);
  await refuseRunning(home);
  await refuseTakenPort(settings.port);
  const logs = join(home, "logs");
  await ensureFolder(logs, 0o700);
  const nodeLog = await LogTail.open(join(logs, "node.log"));
  const adminLog = await LogTail.open(join(logs, "admin.log"));
  const ended = startSupervisor(home, nodeLog.path);
  const endMs = performance.now() + startMsMax;
  for (;;) {
    const status = await Promise.race([ended, sleep(pollMs)]);
    if (status !== undefined)
      throw new DomainError(
        codeOf(status),
        (await nodeLog.lastPlainLine()) ??
          `the Node Manager ended with status ${status}: see ${nodeLog.path}`,
      );
    const running = await nodeStatus(home);
    if (running !== null && (running.connected || !settings.isAdmin)) {
      terminal.out(`Node Manager ${running.process} runs on ${home} (process ${running.pid}).`);
      if (!running.connected)
        terminal.err("it waits for an Admin Node Manager, with the state it last had");
      return;
    }
    if (performance.now() > endMs) {
      const why = (await adminLog.lastPlainLine()) ?? `see ${nodeLog.path}`;
      throw new DomainError(
        "timeout",
        `the Node Manager is not ready after ${startMsMax / 1000} s and is still being tried: ${why}`,
      );
    }
  }
}

/** Starts this program again, as supervisor in a session of its own. Resolves if that ends. */
function startSupervisor(home: string, logFile: string): Promise<number> {
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, [ownProgram, "node", "run", "--home", home], {
    detached: true,
    stdio: ["ignore", log, log],
    cwd: "/",
  });
  closeSync(log);
  child.unref();
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status) => resolve(status ?? errorCodes.internal.exit));
  });
}

/** `gatehouse node stop`: ends the supervisor, the Node Manager, and an Admin Node Manager of this host. */
export async function stopNodeOf({ options, terminal }: Context): Promise<void> {
  const { home } = options;
  await requireJoined(home);
  const marks = await livingMarks(home, ["node.json", "admin.json"]);
  const supervisor = await livingMark(supervisorFile(home));
  if (supervisor === null && marks.length === 0) throw notRunning(home);
  if (supervisor !== null) process.kill(supervisor.pid, "SIGTERM");
  else await stopNode(home);
  const [admin] = await livingMarks(home, ["admin.json"]);
  if (admin !== undefined) process.kill(admin.pid, "SIGTERM");
  const all = supervisor === null ? marks : [supervisor, ...marks];
  const endMs = performance.now() + stopMsMax;
  for (const mark of all) {
    while (await isAlive(mark)) {
      if (performance.now() > endMs)
        throw new DomainError(
          "timeout",
          `the process ${mark.pid} of ${home} did not end in ${stopMsMax / 1000} s`,
        );
      await sleep(pollMs);
    }
  }
  terminal.out(`The Node Manager of ${home} is stopped; instances go on.`);
}

/** `gatehouse node status`. Throws `not-running`. */
export async function showNode(context: Context): Promise<void> {
  const { home } = context.options;
  await requireJoined(home);
  const status = await nodeStatus(home);
  if (status === null) throw notRunning(home);
  printResult(context, status, statusText);
}

function statusText({ host, process: id, pid, connected, epoch, instances }: NodeStatus): string {
  const head = `Node Manager ${id} on ${host} runs as process ${pid}, trust epoch ${epoch}, ${connected ? "connected to" : "without"} an Admin Node Manager.`;
  if (instances.length === 0) return head;
  const rows = instances.map((instance) => [
    instance.id,
    instance.name,
    instance.enabled ? "started" : "stopped",
    instance.state,
    String(instance.pid ?? "-"),
  ]);
  return `${head}\n${table(["INSTANCE", "NAME", "WANTED", "STATE", "PROCESS"], rows)}`;
}

function notRunning(home: string): DomainError {
  return new DomainError(
    "not-running",
    `no Node Manager runs on ${home}: start it with \`gatehouse node start\``,
  );
}

async function requireJoined(
  home: string,
): Promise<NonNullable<Awaited<ReturnType<typeof openLocalHome>>["joined"]>> {
  const { joined } = await openLocalHome(home);
  if (joined !== null) return joined;
  throw new DomainError(
    "home-missing",
    `${home} is not part of a domain: run \`managedomain --initialize\` or \`managedomain --add\` first, or name another folder with --home`,
  );
}

async function refuseRunning(home: string): Promise<void> {
  const supervisor = await livingMark(supervisorFile(home));
  const pid = supervisor?.pid ?? (await nodeStatus(home))?.pid;
  if (pid !== undefined)
    throw new DomainError(
      "home-locked",
      `a Node Manager is running on ${home} already (process ${pid}): stop it with \`gatehouse node stop\``,
      { context: { pid } },
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

async function livingMark(file: string): Promise<ProcessMark | null> {
  const mark = await readMark(file);
  return mark !== null && (await isAlive(mark)) ? mark : null;
}

async function livingMarks(home: string, files: readonly string[]): Promise<ProcessMark[]> {
  const marks = await Promise.all(files.map((file) => livingMark(join(home, "run", file))));
  return marks.filter((mark) => mark !== null);
}

function codeOf(status: number): ErrorCode {
  const found = Object.entries(errorCodes).find(([, { exit }]) => exit === status);
  return (found?.[0] as ErrorCode | undefined) ?? "internal";
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
    if (!existsSync(this.path)) return null;
    const lines = (await readFile(this.path)).subarray(this.#from).toString("utf8").split("\n");
    const plain = lines.findLast((line) => line.trim() !== "" && !line.startsWith("{"));
    return plain?.replace(/^gatehouse: /, "") ?? null;
  }
}
