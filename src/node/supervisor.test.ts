import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { nodeFixture } from "../../test/support/node-fixture.ts";
import { waitUntil } from "../../test/support/wait-until.ts";
import { markOf } from "../transport/index.ts";
import { ownProgram } from "./processes.ts";
import { Supervisor } from "./supervisor.ts";

const deadlineMs = 10_000;

/** Keeps a program of this text running. */
async function supervise(text: string, more: { stopSignal?: NodeJS.Signals } = {}) {
  const { state, lines } = await nodeFixture();
  const folder = state.layout.home;
  await mkdir(folder, { recursive: true });
  const path = join(folder, "program.mjs");
  await writeFile(path, text);
  const file = (name: string): string => join(folder, name);
  const of = {
    name: "program",
    path,
    args: [],
    logFile: file("log"),
    runFile: file("run.json"),
    passphrases: () => null,
  };
  await writeFile(of.logFile, "from an earlier run\n");
  const supervisor = new Supervisor(state, { ...ownProgram(of), ...more });
  return { supervisor, lines, runFile: of.runFile, logFile: of.logFile };
}

const ends: [string, string, string][] = [
  [
    "its own last line",
    `console.log('{"msg":"x"}'); console.error("gateway: port 8443 is taken"); process.exitCode = 26;`,
    "port 8443 is taken",
  ],
  ["what its status means", "process.exitCode = 26;", "another process listens on the port"],
  ["a status that is in no table", "process.exitCode = 99;", "it ended with status 99"],
  ["the signal that ended it", `process.kill(process.pid, "SIGKILL");`, "it was ended by SIGKILL"],
];

test.each(ends)("a process that ends by itself has failed with %s", async (_what, text, reason) => {
  const { supervisor } = await supervise(text);
  const seen = await waitUntil(
    async () => {
      // Its pauses are not waited for: only the first start counts.
      await supervisor.keepRunning(0);
      return supervisor.hasFailed && supervisor.lastError;
    },
    { deadlineMs, what: "the reason is known" },
  );
  expect(seen).toBe(reason);
  expect(supervisor.hasFailed).toBe(true);
  await supervisor.keepRunning(1_000);
  expect(supervisor.lastError).toBe(reason);
  await supervisor.keepStopped(0);
  expect(supervisor.lastError).toBeNull();
});

test("a process that runs, and one that was told to end, have no reason", async () => {
  const { supervisor, lines } = await supervise("setInterval(() => {}, 1000);");
  onTestFinished(async () => {
    await waitUntil(() => ended(supervisor), { deadlineMs, what: "it has ended" });
  });
  await supervisor.keepRunning(0);
  expect(supervisor.lastError).toBeNull();
  expect(await waitUntil(() => ended(supervisor), { deadlineMs, what: "it has ended" })).toBe(true);
  expect(supervisor.lastError).toBeNull();
  // A field that a line had twice could not be told from the one of the process that logs.
  expect(lines.map((line) => line.split('"pid":').length - 1)).toEqual(lines.map(() => 1));
});

test("a process that has a signal of its own to end by gets that one", async () => {
  const text = `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.error("ready");`;
  const { supervisor, logFile } = await supervise(text, { stopSignal: "SIGINT" });
  await supervisor.keepRunning(0);
  const isReady = async () => (await readFile(logFile, "utf8")).includes("ready");
  await waitUntil(isReady, { deadlineMs, what: "it takes signals" });
  expect(await waitUntil(() => ended(supervisor), { deadlineMs, what: "it has ended" })).toBe(true);
});

async function ended(supervisor: Supervisor): Promise<boolean> {
  await supervisor.keepStopped(0);
  return !(await supervisor.isRunning());
}

test("a process that left no mark yet is ended with its Node Manager, one that works is not", async () => {
  const { supervisor, runFile } = await supervise("setInterval(() => {}, 1000);");
  await supervisor.keepRunning(0);
  await writeFile(runFile, JSON.stringify(await markOf(supervisor.pid ?? 0)));
  await supervisor.endUnlessWorking();
  expect(await supervisor.isRunning()).toBe(true);
  await rm(runFile);
  await supervisor.endUnlessWorking();
  const hasEnded = async (): Promise<boolean> => !(await supervisor.isRunning());
  expect(await waitUntil(hasEnded, { deadlineMs, what: "it has ended" })).toBe(true);
});

test("a restart by order is no failure: it starts anew at once, however long it takes to end", async () => {
  const { supervisor, lines } = await supervise(
    `process.on("SIGTERM", () => setTimeout(() => process.exit(0), 120)); setInterval(() => {}, 1e6);`,
  );
  onTestFinished(async () => {
    await waitUntil(
      async () => {
        await supervisor.keepStopped(performance.now(), 0);
        return !(await supervisor.isRunning());
      },
      { deadlineMs, what: "it is stopped" },
    );
  });
  await supervisor.keepRunning(performance.now());
  for (let times = 0; times < 3; times += 1) {
    const { pid } = supervisor;
    await supervisor.restart(10_000);
    expect(supervisor.pid).not.toBe(pid);
    expect(await supervisor.isRunning()).toBe(true);
  }
  expect(lines.join("\n")).not.toContain("will be started again");
});
