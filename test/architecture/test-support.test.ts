import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { root } from "../../scripts/ensure.mjs";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("tempFolder", () => {
  const folders: string[] = [];
  afterAll(() => expect(folders.map((folder) => existsSync(folder))).toEqual([false]));

  test("gives a folder that is gone, with its content, when the test has ended", async () => {
    const folder = await tempFolder();
    folders.push(folder);
    writeFileSync(join(folder, "file"), "content");
    expect(existsSync(join(folder, "file"))).toBe(true);
  });
});

describe("waitUntil", () => {
  test("resolves with the first truthy result when the condition becomes true", async () => {
    let asked = 0;
    const third = () => (++asked === 3 ? "third" : undefined);
    expect(await waitUntil(third, { deadlineMs: 5_000, what: "the third" })).toBe("third");
  });

  test("names what it waited for and keeps the last error when the deadline passes", async () => {
    const cause = new Error("connection refused");
    const never = waitUntil(() => Promise.reject(cause), { deadlineMs: 30, what: "the port" });
    await expect(never).rejects.toMatchObject({ message: "not within 30 ms: the port", cause });
  });
});

describe("the global teardown", () => {
  test("fails the run and clears away when a test leaves a process and a folder behind", () => {
    const { GATEHOUSE_TEST_RUN: _ours, ...env } = process.env;
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const config = join(root, "test/fixtures/leftovers/vitest.config.ts");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [vitest, "run", "--config", config],
      { cwd: root, env, encoding: "utf8" },
    );
    expect(stdout).toContain("1 passed");
    expect(status).toBe(1);
    const left = /left behind: process (\d+) \(sleep 600\), (\S+)/.exec(stderr);
    expect(left, stderr).not.toBeNull();
    expect(commandOf(left?.[1] ?? "self")).toBe("");
    expect(existsSync(left?.[2] ?? "/")).toBe(false);
  });
});

/** The command line of a process; empty when it is gone, or dead and not yet waited for. */
function commandOf(pid: string): string {
  const path = `/proc/${pid}/cmdline`;
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
