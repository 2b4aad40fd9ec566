import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { onEnd } from "../../support/cleanup.ts";
import { testPair, untilPair, untilPaired, type TestMember } from "./test-members.ts";

const program = join(import.meta.dirname, "amlen-process.ts");

/** Starts a member as a process of its own, which ends with the test. */
async function startProcess({ options }: TestMember): Promise<ChildProcess> {
  const file = join(options.folder, "options.json");
  writeFileSync(file, JSON.stringify(options));
  const child = spawn(process.execPath, [program, file], { stdio: ["ignore", "pipe", "inherit"] });
  onEnd(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  expect(String(line)).toBe("ready\n");
  return child;
}

test("a standby becomes primary when the primary's process gets kill -9, which pairs again once started", async () => {
  const [a, b] = await testPair();
  const [process] = await Promise.all([a, b].map((member) => startProcess(member)));
  await untilPaired(a, b);
  process?.kill("SIGKILL");
  await untilPair(b, { NewRole: "PRIMARY", ActiveNodes: 1 });
  await startProcess(a);
  await untilPaired(b, a);
});
