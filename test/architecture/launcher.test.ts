import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { satisfiesEngines } from "../../bin/node-version.mjs";
import { root } from "../../scripts/ensure.mjs";
import { tempFolder } from "../support/temp-folder.ts";

/**
 * A copy of the launcher whose program `gatehouse` is `source` (left out: not built), and whose
 * package asks for the Node.js versions `engines`; returns the path of a link to its door.
 */
async function installed(source: string | undefined, engines: string): Promise<string> {
  const folder = await tempFolder();
  cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as object;
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ ...manifest, engines: { node: engines } }),
  );
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  if (source !== undefined) {
    mkdirSync(join(folder, "dist/cli"), { recursive: true });
    writeFileSync(join(folder, "dist/cli/gatehouse.js"), source);
  }
  const link = join(folder, "gatehouse");
  symlinkSync(join(folder, "bin/gatehouse"), link);
  return link;
}

const newEnough = ">=22";
/** No Node.js satisfies this one, so that the launcher has to look for another. */
const tooOld = ">=9999";
const report = `console.log(process.argv.slice(2).join(), process.ppid); process.exitCode = 41;`;

describe("the launcher", () => {
  test("runs the program in its own process when the running Node is new enough", async () => {
    const door = await installed(report, newEnough);
    const { pid, status, stdout } = spawnSync(process.execPath, [door, "a", "b c"], {
      encoding: "utf8",
    });
    expect(stdout).toBe(`a,b c ${process.pid}\n`);
    expect(pid).toBeGreaterThan(0);
    expect(status).toBe(41);
  });

  test("runs it on the installed Node, status passed on, when the running one is too old", async () => {
    const door = await installed(report, tooOld);
    const { pid, status, stdout } = spawnSync(process.execPath, [door, "a", "b c"], {
      encoding: "utf8",
    });
    expect(stdout).toBe(`a,b c ${pid}\n`);
    expect(status).toBe(41);
  });

  test("passes a signal on and ends as the program ended when it is asked to stop", async () => {
    const door = await installed(
      `process.once("SIGTERM", () => process.exit(7)); setInterval(() => {}, 1000); console.log("up");`,
      tooOld,
    );
    const child = spawn(process.execPath, [door], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([7, null]);
  });

  test("keeps the arguments out of its own command line when it waits for the program", async () => {
    const parent = "`/proc/${process.ppid}/cmdline`";
    const door = await installed(
      `import { readFileSync } from "node:fs"; console.log(readFileSync(${parent}, "utf8"));`,
      tooOld,
    );
    const { stdout } = spawnSync(process.execPath, [door, "--domain_passphrase", "hush"]);
    expect(String(stdout)).toMatch(/^gatehouse\0*\n$/);
  });

  test("ends with 128 and the signal's number when the program is killed by it", async () => {
    const door = await installed(`process.kill(process.pid, "SIGKILL");`, tooOld);
    expect(spawnSync(process.execPath, [door]).status).toBe(137);
  });

  test("says what to run, and where, when packages or the build are missing", async () => {
    const folder = dirname(await installed(undefined, newEnough));
    const said = () => {
      const door = join(folder, "gatehouse");
      const { status, stderr } = spawnSync(process.execPath, [door], { encoding: "utf8" });
      expect(status).toBe(1);
      return stderr;
    };
    expect(said()).toBe(
      `gatehouse: not installed yet: run \`npm run build\` in ${folder}/ first\n`,
    );
    rmSync(join(folder, "node_modules"));
    expect(said()).toBe(
      `gatehouse: not installed yet: run \`npm ci && npm run build\` in ${folder}/ first\n`,
    );
    mkdirSync(join(folder, "dist/cli"), { recursive: true });
    writeFileSync(join(folder, "dist/cli/gatehouse.js"), report);
    expect(said()).toBe(`gatehouse: not installed yet: run \`npm ci\` in ${folder}/ first\n`);
  });

  test("refuses a GATEHOUSE_NODE that is too old, or no Node.js, in one line", async () => {
    const door = await installed(report, tooOld);
    const stderr = (own: string) =>
      spawnSync(process.execPath, [door], {
        encoding: "utf8",
        env: { ...process.env, GATEHOUSE_NODE: own },
      }).stderr;
    expect(stderr(process.execPath)).toBe(
      `GATEHOUSE_NODE=${process.execPath} is Node ${process.versions.node}; needed is Node.js >=9999\n`,
    );
    expect(stderr("/nonexistent")).toBe(
      "GATEHOUSE_NODE=/nonexistent cannot be run; needed is Node.js >=9999\n",
    );
  });
});

describe("satisfiesEngines", () => {
  const range = "^22.22.2 || ^24.15.0 || >=26";
  test.each(["22.22.2", "22.23.0", "24.15.0", "24.21.3", "26.0.0", "31.1.0"])(
    "takes %s",
    (version) => {
      expect(satisfiesEngines(version, range)).toBe(true);
    },
  );
  test.each(["20.20.2", "22.22.1", "23.9.0", "24.14.9", "25.9.0"])("refuses %s", (version) => {
    expect(satisfiesEngines(version, range)).toBe(false);
  });
});
