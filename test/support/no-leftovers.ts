import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const runVariable = "GATEHOUSE_TEST_RUN";

/** How long processes that were told to end may take before they count as left over. */
const graceMs = 2_000;

/** Vitest's workers and its watchdog, which end after the teardown. */
const vitestOwn = /^vitest-|\/node_modules\/vitest\//;

/** What the names of this run's temporary folders begin with. */
export function runPrefix(): string {
  return `gatehouse-test-${process.env[runVariable] ?? "x"}-`;
}

/**
 * Vitest's global setup: marks everything that this run starts, by an environment variable that
 * children inherit and by the names of temporary folders. Its result, the teardown, fails the run
 * when a process, a network namespace or a folder with the mark is left, and clears it away.
 */
export default function setup(): (() => Promise<void>) | undefined {
  if (process.env[runVariable] !== undefined) return undefined;
  process.env[runVariable] = randomBytes(6).toString("hex");
  const prefix = runPrefix();
  const mark = `${runVariable}=${process.env[runVariable]}`;
  return async () => {
    const end = performance.now() + graceMs;
    while (leftProcesses(mark, prefix).length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const processes = leftProcesses(mark, prefix);
    const namespaces = leftNamespaces(prefix);
    const folders = leftFolders(prefix);
    for (const { pid } of processes) process.kill(pid, "SIGKILL");
    for (const name of namespaces) spawnSync("ip", ["netns", "del", name]);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    const left = [
      ...processes.map(({ pid, command }) => `process ${pid} (${command})`),
      ...namespaces.map((name) => `network namespace ${name}`),
      ...folders,
    ];
    if (left.length > 0) throw new Error(`the tests left behind: ${left.join(", ")}`);
  };
}

/** Folders in the system's temporary folder whose name begins with `prefix`. */
export function leftFolders(prefix: string): string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(tmpdir(), name));
}

/** Where iproute2 keeps the names of network namespaces (ip-netns(8)). */
const namespaceNames = "/run/netns";

function leftNamespaces(prefix: string): string[] {
  if (!existsSync(namespaceNames)) return [];
  return readdirSync(namespaceNames).filter((name) => name.startsWith(prefix));
}

/**
 * Processes other than this one and vitest's own workers whose environment holds `mark` or whose
 * arguments name a folder of the run. None where there is no /proc.
 */
export function leftProcesses(mark: string, prefix: string): { pid: number; command: string }[] {
  if (!existsSync("/proc/self/environ")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => ({
      pid: Number(pid),
      environment: read(pid, "environ"),
      command: read(pid, "cmdline"),
    }))
    .filter(({ command }) => command !== "" && !vitestOwn.test(command))
    .filter(({ environment, command }) => environment.includes(mark) || command.includes(prefix))
    .map(({ pid, command }) => ({ pid, command: command.replaceAll("\0", " ").trim() }));
}

/** One of a process's files in /proc as text; empty when it ended or belongs to somebody else. */
function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
