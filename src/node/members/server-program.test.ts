import { readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import { markOf } from "../../transport/index.ts";
import { serverProgram } from "./server-program.ts";

const deadlineMs = 10_000;

/** A server of a first process and a worker, which says its number in the log. */
const text = `
import { spawn } from "node:child_process";
if (process.argv[2] !== "worker")
  spawn(process.execPath, [process.argv[1], "worker"], { stdio: "inherit" });
else console.log("worker", process.pid, Object.keys(process.env).join());
setInterval(() => {}, 1000);
`;

async function program() {
  const folder = await tempFolder();
  const path = join(folder, "server.mjs");
  await writeFile(path, text);
  const [logFile, runFile] = [join(folder, "log"), join(folder, "run.json")];
  const start = { run: [process.execPath, path], openFilesMax: 512, memoryMebibytesMax: 4_096 };
  const of = { name: "one", logFile, runFile, current: () => ({ start, folder }) };
  const workers = async (): Promise<number[]> =>
    [...(await readFile(logFile, "utf8")).matchAll(/^worker (\d+)/gm)].map(([, pid]) =>
      Number(pid),
    );
  onTestFinished(async () => {
    for (const pid of [...(await workers()), (await server.find())?.pid ?? 0])
      if (pid > 0 && (await markOf(pid)) !== null) process.kill(pid, "SIGKILL");
  });
  const server = serverProgram(of);
  return { server, folder, logFile, workers };
}

test("a server runs in its folder, within its limits, and with an environment of its own", async () => {
  const { server, folder, logFile, workers } = await program();
  const { mark } = await server.start();
  await waitUntil(async () => (await workers()).length === 1, { deadlineMs, what: "it works" });
  const limits = await readFile(`/proc/${mark?.pid}/limits`, "utf8");
  expect(limits).toMatch(/Max open files +512 +512/);
  expect(limits).toMatch(/Max data size +4294967296 +4294967296/);
  expect(await readlink(`/proc/${mark?.pid}/cwd`)).toBe(folder);
  expect(await readFile(logFile, "utf8")).toMatch(/^worker \d+ PATH,LANG$/m);
  expect(await server.find()).toEqual(mark);
});

test("what a dead server has left is ended before it is started again", async () => {
  const { server, workers } = await program();
  const { mark, ended } = await server.start();
  await waitUntil(async () => (await workers()).length === 1, { deadlineMs, what: "it works" });
  const [left = 0] = await workers();
  process.kill(mark?.pid ?? 0, "SIGKILL");
  expect(await ended).toBe("it was ended by SIGKILL");
  expect(await markOf(left)).not.toBeNull();
  expect(await server.find()).toBeNull();
  await server.start();
  expect(await markOf(left)).toBeNull();
});
