import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { expect, test } from "vitest";

const module = new URL("log.ts", import.meta.url).href;

test("a process that cannot write its log goes on", () => {
  const code = `
    const { createLogger } = await import(${JSON.stringify(module)});
    const log = createLogger("test", "host-1");
    for (let i = 0; i < 100; i++) log.info("a line");
    process.stderr.write("goes on");
    process.exit(0);`;
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", full, "pipe"],
    encoding: "utf8",
  });
  closeSync(full);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "goes on" });
});
