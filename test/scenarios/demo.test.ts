import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { errorCodes } from "../../src/kit/index.ts";
import { leftProcesses } from "../support/no-leftovers.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const start = join(import.meta.dirname, "..", "..", "scripts", "start.mjs");
const smallest = ["--hosts", "1", "--instances", "1", "--seconds", "1"];

interface RunningDemo {
  /** Where it makes its folder. */
  readonly folder: string;
  /** Processes whose arguments name a folder in it. */
  left(): { pid: number; command: string }[];
  /** Everything that it has written. */
  text(): string;
  /** Sends a signal to the whole process group, as a terminal does. */
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<number | null>;
}

/** `npm start` of the smallest domain, in a process group of its own. */
async function startDemo(...args: string[]): Promise<RunningDemo> {
  const folder = await tempFolder();
  const child = spawn(process.execPath, [start, ...smallest, ...args], {
    detached: true,
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const left = (): { pid: number; command: string }[] => leftProcesses("\0none\0", `${folder}/`);
  onTestFinished(() => {
    for (const { pid } of left()) process.kill(pid, "SIGKILL");
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return {
    folder,
    left,
    text: () => text,
    signal: (name) => process.kill(-(child.pid ?? 0), name),
    ended: new Promise((resolve) => child.once("close", resolve)),
  };
}

describe("npm start, told to end more than once,", () => {
  test.each([
    ["while it makes the domain", "making the domain", 130],
    ["while it creates instances", "creating 1 gateway", 130],
    ["while it replaces certificates", "replacing every leaf", 130],
    ["while it waits", "The domain stays up", 0],
  ])("leaves no process and no folder behind %s", async (_when, words, expected) => {
    const demo = await startDemo();
    await waitUntil(() => demo.text().includes(words), { deadlineMs: 90_000, what: words });
    demo.signal("SIGINT");
    await waitUntil(() => demo.text().includes("stopping"), {
      deadlineMs: 10_000,
      what: "it says that it stops",
    });
    demo.signal("SIGINT");
    demo.signal("SIGTERM");
    expect(await demo.ended, demo.text()).toBe(expected);
    expect(demo.left()).toEqual([]);
    expect(readdirSync(demo.folder)).toEqual([]);
  });
});

test("npm start refuses the folder of another demonstration that runs", async () => {
  const home = join(await tempFolder(), "demo");
  const demo = await startDemo("--home", home);
  await waitUntil(() => demo.text().includes("creating 1 gateway"), {
    deadlineMs: 90_000,
    what: "it runs",
  });
  const second = await startDemo("--home", home);
  expect(await second.ended).toBe(errorCodes["home-locked"].exit);
  expect(second.text()).toMatch(/another npm start runs on \S+: end it first\n$/);
  demo.signal("SIGTERM");
  expect(await demo.ended).toBe(130);
});
