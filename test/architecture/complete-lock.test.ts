import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../../scripts/ensure.mjs";
import { tempFolder } from "../support/temp-folder.ts";

interface Lock {
  packages: Record<string, unknown>;
}

test("complete-lock adds the optional packages of other platforms when they are missing", async () => {
  const folder = await tempFolder();
  cpSync(join(root, "scripts/complete-lock.mjs"), join(folder, "scripts/complete-lock.mjs"));
  const complete = readFileSync(join(root, "package-lock.json"), "utf8");
  const lock = JSON.parse(complete) as Lock;
  delete lock.packages["node_modules/@oxlint/binding-linux-s390x-gnu"];
  delete lock.packages["node_modules/@oxfmt/binding-win32-arm64-msvc"];
  const path = join(folder, "package-lock.json");
  writeFileSync(path, JSON.stringify(lock));
  const { status, stderr } = spawnSync(process.execPath, [
    join(folder, "scripts/complete-lock.mjs"),
  ]);
  expect(String(stderr)).toBe("");
  expect(status).toBe(0);
  expect(readFileSync(path, "utf8")).toBe(complete);
});
