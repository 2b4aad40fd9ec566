import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import { lockHome } from "./home-lock.ts";

const module = new URL("./home-lock.ts", import.meta.url).href;

async function lockInAnotherProcess(
  folder: string,
): Promise<{ pid: number; kill: () => Promise<void> }> {
  const program = `const { lockHome } = await import(${JSON.stringify(module)});
    await lockHome(${JSON.stringify(folder)}); console.log("locked"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  return {
    pid: child.pid ?? 0,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

test("the home lock is refused while it is held and free again when it is released", async () => {
  const folder = await tempFolder();
  const lock = await lockHome(folder);
  await expect(lockHome(folder)).rejects.toMatchObject({
    code: "home-locked",
    context: { pid: process.pid },
  });
  lock.release();
  (await lockHome(folder)).release();
});

test("the home lock names the process that holds it, and vanishes when that is killed", async () => {
  const folder = await tempFolder();
  const other = await lockInAnotherProcess(folder);
  await expect(lockHome(folder)).rejects.toMatchObject({
    code: "home-locked",
    message: `the process ${other.pid} is running on the home folder ${folder}: stop it first`,
  });
  await other.kill();
  const lock = await waitUntil(() => lockHome(folder), {
    deadlineMs: 5000,
    what: "the lock is free",
  });
  lock.release();
});

test("the home lock says home-missing when there is no folder", async () => {
  await expect(lockHome(join(await tempFolder(), "none"))).rejects.toMatchObject({
    code: "home-missing",
  });
});
