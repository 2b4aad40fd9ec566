import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../../scripts/ensure.mjs";
import { tempFolder } from "../support/temp-folder.ts";

const demo = `import { name } from "../kit/name.ts";
process.stdout.write(JSON.stringify({ name, args: process.argv.slice(2) }));
process.exitCode = 43;
`;

/**
 * A checkout with the scripts, two sources of its own and an `npm` that writes down how it was
 * called and fails; its packages are ours, by a link.
 */
async function checkout(): Promise<string> {
  const folder = await tempFolder();
  for (const part of ["bin", "scripts", "package.json", "package-lock.json"]) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  for (const config of ["tsconfig.json", "tsconfig.base.json"]) {
    cpSync(join(root, config), join(folder, config));
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  write(folder, "src/kit/name.ts", `export const name: string = "gatehouse";\n`);
  write(folder, "src/demo/main.ts", demo);
  write(folder, "path/npm", `#!/bin/sh\necho "npm $*"\nexit 9\n`, 0o755);
  return folder;
}

function write(folder: string, path: string, text: string, mode = 0o644): void {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), text, { mode });
}

function start(folder: string, ...args: string[]) {
  const PATH = `${join(folder, "path")}:${process.env["PATH"]}`;
  return spawnSync(process.execPath, [join(folder, "scripts/start.mjs"), ...args], {
    encoding: "utf8",
    env: { ...process.env, PATH },
  });
}

describe("npm start", () => {
  test("builds, then gives stdout, arguments and status to the demo", async () => {
    const folder = await checkout();
    const { status, stdout, stderr } = start(folder, "--json", "a b");
    expect(stdout).toBe(`{"name":"gatehouse","args":["--json","a b"]}`);
    expect(stderr).toBe("building dist/ (tsc)\n");
    expect(status).toBe(43);
  });

  test("builds again only when a source was changed, added or removed", async () => {
    const folder = await checkout();
    write(folder, "src/kit/other.ts", "export const other = 1;\n");
    start(folder);
    expect(start(folder).stderr).toBe("");
    write(folder, "src/kit/name.ts", `export const name: string = "changed";\n`);
    rmSync(join(folder, "src/kit/other.ts"));
    const { stdout, stderr } = start(folder);
    expect(stderr).toBe("building dist/ (tsc)\n");
    expect(stdout).toContain("changed");
    expect(existsSync(join(folder, "dist/kit/name.js"))).toBe(true);
    expect(existsSync(join(folder, "dist/kit/other.js"))).toBe(false);
  });

  test("builds what is missing when somebody deleted it from dist", async () => {
    const folder = await checkout();
    start(folder);
    rmSync(join(folder, "dist/kit"), { recursive: true });
    rmSync(join(folder, "dist/.sources"));
    expect(start(folder).status).toBe(43);
  });

  test("shows the compiler's message, and starts nothing, when a source is wrong", async () => {
    const folder = await checkout();
    write(folder, "src/kit/name.ts", `export const name: string = 1;\n`);
    const { status, stdout, stderr } = start(folder);
    expect(stdout).toBe("");
    expect(stderr).toContain("src/kit/name.ts(1,14): error TS2322");
    expect(stderr).toMatch(/\nthe build failed: see the compiler's messages above\n$/);
    expect(status).toBe(1);
  });

  test("installs with npm ci, on stderr, and says so in one line when that fails", async () => {
    const folder = await checkout();
    rmSync(join(folder, "node_modules"));
    const { status, stdout, stderr } = start(folder);
    expect(stdout).toBe("");
    expect(stderr.split("\n")).toEqual([
      "installing packages (npm ci)",
      "npm ci --no-fund --no-audit --loglevel=error",
      "npm ci failed (status 9): check that npm reaches its registry, then run it again",
      "",
    ]);
    expect(status).toBe(1);
  });
});
