import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { waitUntil } from "../../test/support/wait-until.ts";
import { runCommand, runToSuccess } from "./run-command.ts";

const isRoot = process.getuid?.() === 0;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("a command", () => {
  test("gives its status and what it wrote to both outputs, without a shell", async () => {
    const script = "import sys; print(sys.argv[1]); print('bad', file=sys.stderr); sys.exit(3)";
    const { status, output } = await runCommand({ run: ["python3", "-c", script, "$HOME;`id`"] });
    expect(status).toBe(3);
    expect(output).toContain("$HOME;`id`\n");
    expect(output).toContain("bad\n");
  });

  test("gets nothing of the Node Manager's environment", async () => {
    process.env["GATEHOUSE_SECRET_OF_TEST"] = "secret";
    const { output } = await runCommand({ run: ["env"] });
    delete process.env["GATEHOUSE_SECRET_OF_TEST"];
    expect(output.split("\n").map((line) => line.split("=")[0])).toEqual(["PATH", "LANG", ""]);
  });

  test("is killed with all that it started at its time limit", async () => {
    const file = join(await tempFolder(), "pid");
    const run = ["sh", "-c", `sleep 60 & echo $! > ${file}; wait`];
    await expect(runCommand({ run, limitSeconds: 1 })).rejects.toMatchObject({ code: "timeout" });
    const pid = Number(await readFile(file, "utf8"));
    await waitUntil(() => !isAlive(pid), { deadlineMs: 5_000, what: "its child is gone" });
  });

  test("that starts a daemon ends when it ends itself, not when the daemon does", async () => {
    const { status, output } = await runCommand({
      run: ["sh", "-c", "sleep 60 & echo $!"],
      limitSeconds: 10,
    });
    expect(status).toBe(0);
    process.kill(Number(output), "SIGKILL");
  });

  test("keeps the end of an output that is too long", async () => {
    const { output } = await runCommand({ run: ["sh", "-c", "yes | head -c 200000; echo end"] });
    expect(output.length).toBeLessThanOrEqual(65_536);
    expect(output.endsWith("end\n")).toBe(true);
  });

  test("is refused with its last words when it does not succeed", async () => {
    const run = ["sh", "-c", "echo 'line 7: no such option' >&2; exit 2"];
    await expect(runToSuccess({ run }, "the check of x")).rejects.toMatchObject({
      code: "generation-refused",
      message: "the check of x ended with status 2: line 7: no such option",
    });
  });

  test("names a program or user that is not there", async () => {
    await expect(runCommand({ run: ["/no/such/program"] })).rejects.toMatchObject({
      code: "not-found",
      message: "there is no program /no/such/program: check its path",
    });
    await expect(runCommand({ run: ["true"], asUser: "no-such-user" })).rejects.toMatchObject({
      code: "not-found",
    });
  });

  test.runIf(isRoot)("runs as its user, with no other groups", async () => {
    const { output } = await runCommand({ run: ["id"], asUser: "nobody" });
    expect(output).toMatch(/^uid=\d+\(nobody\) gid=(\d+)\(nogroup\) groups=\1\(nogroup\)\n$/);
  });
});
