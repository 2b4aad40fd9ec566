import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kit/index.ts";
import { handedPassphrases, isAlive, readMark, type ProcessMark } from "../../transport/index.ts";
import { openLocalHome, type LocalHome } from "../../node/local.ts";
import { printResult, type CommandContext } from "../command-context.ts";
import { nodeStatus, stopNode, type NodeStatus } from "../node-control.ts";
import { table } from "../render/table.ts";
import { refuseWaiting } from "../signing/waiting-here.ts";
import { askedPassphrases } from "../asked-passphrases.ts";
import { superviseNode, supervisorFile } from "./supervisor.ts";

const stopMsMax = 60_000;
const pollMs = 100;

type Context = Pick<CommandContext, "terminal" | "options" | "json">;

/** `gatehouse node run`: the Node Manager in the foreground. Resolves with its exit status. */
export async function runNode(
  { options, terminal }: Context,
  isSupervised: boolean,
): Promise<number> {
  const { layout } = await requireJoined(options.home);
  await refuseRunning(options.home);
  const passphrases = (await handedPassphrases()) ?? (await askedPassphrases({ terminal }, layout));
  return superviseNode(options.home, terminal, { isSupervised, passphrases });
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

/** The status in words. */
export function statusText(status: NodeStatus): string {
  const { host, process: id, pid, connected, refusal, admin, epoch, instances } = status;
  const where =
    connected && admin !== null
      ? `connected to Admin Node Manager ${admin.id} at ${admin.address}:${admin.port}`
      : `without an Admin Node Manager${refusal === null ? "" : ` (${refusal})`}`;
  const head = `Node Manager ${id} on ${host} runs as process ${pid}, trust epoch ${epoch}, ${where}.`;
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

/** The home of a host that is in a domain. Throws `home-missing`, `awaiting-signature`. */
export async function requireJoined(home: string): Promise<{
  layout: LocalHome["layout"];
  settings: NonNullable<LocalHome["joined"]>["settings"];
}> {
  const { layout, joined } = await openLocalHome(home);
  if (joined !== null) return { layout, settings: joined.settings };
  await refuseWaiting(home);
  throw new DomainError(
    "home-missing",
    `${home} is not part of a domain: run \`managedomain --initialize\` or \`managedomain --add\` first, or name another folder with --home`,
  );
}

/** Throws `home-locked` if a Node Manager runs on the home, or is being kept running. */
export async function refuseRunning(home: string): Promise<void> {
  const supervisor = await livingMark(supervisorFile(home));
  const pid = supervisor?.pid ?? (await nodeStatus(home))?.pid;
  if (pid !== undefined)
    throw new DomainError(
      "home-locked",
      `a Node Manager is running on ${home} already (process ${pid}): stop it with \`gatehouse node stop\``,
      { context: { pid } },
    );
}

async function livingMark(file: string): Promise<ProcessMark | null> {
  const mark = await readMark(file);
  return mark !== null && (await isAlive(mark)) ? mark : null;
}

async function livingMarks(home: string, files: readonly string[]): Promise<ProcessMark[]> {
  const marks = await Promise.all(files.map((file) => livingMark(join(home, "run", file))));
  return marks.filter((mark) => mark !== null);
}
