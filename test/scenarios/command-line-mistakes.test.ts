import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { errorCodes } from "../../src/kit/index.ts";
import { freePort } from "../support/free-port.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { waitUntil } from "../support/wait-until.ts";

let runs: ProgramRuns;

beforeEach(async () => {
  runs = await ProgramRuns.open();
});

/** True where this user may mount file systems. */
function canMount(): boolean {
  return spawnSync("unshare", ["--mount", "true"]).status === 0;
}

/** Mounts a file system that is full soon, or one that cannot be written, until the test ends. */
function mount(path: string, kind: "full" | "read-only"): void {
  const options = kind === "full" ? "size=256k" : "size=4m,ro";
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]).status).toBe(0);
  onTestFinished(() => void spawnSync("umount", [path]));
}

describe("a mistake", () => {
  test("in joining is one line with its exit status, and leaves nothing behind", async () => {
    const fingerprint = await runs.startDomain();
    const port = await freePort();
    const add = `managedomain -a ${runs.otherHost("two", port)}`;
    const known = `${runs.login} --fingerprint ${fingerprint}`;
    await runs.makeToken("token");
    await runs.refused("untrusted-server", `${add} ${runs.login}`);
    await runs.refused("fingerprint-mismatch", `${add} ${known} --fingerprint ${"0".repeat(64)}`);
    await runs.refused("invalid-input", `${add} ${known} --fingerprint abc`);
    await runs.write("wrong", "wrong password\n");
    await runs.refused("unauthenticated", `${add} ${known} --password_file wrong`);
    await runs.refused("not-found", `${add} --token_file missing`);
    await runs.refused("invalid-name", `${add} --host a/b --token_file token`);
    await runs.refused("already-exists", `${add} --host anm1.test --token_file token`);
    await runs.refused("unreachable", `${add} --anm_port ${await freePort()} --token_file token`);
    await runs.makeToken("other-token", "--host three.test");
    await runs.refused("forbidden", `${add} --token_file other-token`);
    const made = await runs.done("gatehouse token create --home one --lifetime 1s --json");
    const { token, expiresAtMs } = JSON.parse(made) as { token: string; expiresAtMs: number };
    await runs.write("old-token", token);
    await waitUntil(() => Date.now() > expiresAtMs, { deadlineMs: 5_000, what: "it expires" });
    await runs.refused("token-expired", `${add} --token_file old-token`);
    expect(existsSync(runs.path("two"))).toBe(false);

    await runs.done(`${add} --token_file token`);
    await runs.refused("home-exists", `${add} --token_file token`);
    const third = runs.otherHost("three", port);
    await runs.refused("token-used", `managedomain -a ${third} --token_file token`);
    await runs.done("gatehouse node start --home two");
    const { status, err } = await runs.run(
      `managedomain -a ${third} --anm_port ${port} --token_file token`,
    );
    expect(err).toMatch(/is not an Admin Node Manager's port but a Node Manager's, .*\n$/);
    expect(status).toBe(errorCodes["untrusted-server"].exit);
    expect(existsSync(runs.path("three"))).toBe(false);
  });

  test("of joining one home twice at once makes one host, and a home that works", async () => {
    const fingerprint = await runs.startDomain();
    const add = `managedomain -a ${runs.otherHost("two", await freePort())} ${runs.login}`;
    const both = await Promise.all(
      [1, 2].map(() => runs.run(`${add} --fingerprint ${fingerprint}`)),
    );
    expect(both.filter(({ status }) => status === 0)).toHaveLength(1);
    await runs.done("gatehouse node start --home two");
    const hosts = JSON.parse(await runs.done("gatehouse host list --home one --json")) as unknown[];
    expect(hosts).toHaveLength(2);
  });

  test("in starting is one line with what the process itself says", async () => {
    await runs.done(`managedomain -i ${runs.firstHost}`);
    const start = "gatehouse node start --home one";
    const print = `managedomain -p --home one ${runs.login}`;
    await runs.refused("home-exists", `managedomain -i ${runs.firstHost}`);
    await runs.refused("home-missing", "gatehouse node start --home nowhere");
    await runs.refused("unreachable", print);
    const squatter = createServer().listen(runs.adminPort, "0.0.0.0");
    await new Promise((resolve) => squatter.once("listening", resolve));
    await runs.refused("port-in-use", start);
    await new Promise((resolve) => squatter.close(resolve));
    for (const file of ["one/conf/node.json", "one/conf/trust.json"]) {
      const kept = await readFile(runs.path(file));
      await writeFile(runs.path(file), kept.subarray(0, kept.length / 2));
      await runs.refused("state-corrupt", start);
      await runs.refused("state-corrupt", print);
      await writeFile(runs.path(file), kept);
    }
    const database = runs.path("one/store/gatehouse.db");
    const kept = await readFile(database);
    await writeFile(database, Buffer.alloc(kept.length, 7));
    await runs.refused("state-corrupt", start);
    await runs.refused("not-running", "gatehouse node status --home one");
    await writeFile(database, kept);
    await runs.done(start);
    await runs.refused("home-locked", start);
    await runs.refused("home-locked", "gatehouse node run --home one");
  });

  test("in making a domain is one line, and the folder can be used for the next try", async () => {
    const bare = "managedomain -i --home one --host anm1.test --username admin";
    await runs.refused("unauthenticated", bare);
    await runs.refused("not-found", `${bare} --password_file missing`);
    await runs.write("short", "1234567\n");
    await runs.refused("invalid-input", `${bare} --password_file short`);
    await runs.refused("invalid-name", `managedomain -i ${runs.firstHost} --host a:b`);
    await runs.refused("invalid-name", `managedomain -i ${runs.firstHost} --domain_name no=such`);
    for (const home of ["/proc/gatehouse/one", "password", "password/one"])
      await runs.refused("read-only", `managedomain -i ${runs.firstHost} --home ${home}`);
    expect(existsSync(runs.path("one/conf/node.json"))).toBe(false);
    await runs.done(`managedomain -i ${runs.firstHost}`);
  });

  test.skipIf(!canMount())(
    "of taking a full or read-only disk is one line, and spends no token",
    async () => {
      await runs.startDomain();
      await runs.makeToken("token");
      const add = `managedomain -a ${runs.otherHost("two", await freePort())} --token_file token`;
      for (const [name, code] of [
        ["full", "disk-full"],
        ["read-only", "read-only"],
      ] as const) {
        await mkdir(runs.path(name));
        mount(runs.path(name), name);
        await runs.refused(code, `${add} --home ${name}/inner`);
        expect(readdirSync(runs.path(name))).toEqual([]);
        await runs.refused(code, `managedomain -i ${runs.firstHost} --home ${name}/inner`);
        expect(existsSync(runs.path(`${name}/inner/conf/node.json`))).toBe(false);
      }
      await runs.done(add);
    },
  );

  test("of letting others write the settings file is found before its command runs", async () => {
    await runs.done(`managedomain -i ${runs.firstHost}`);
    const props = "one/conf/managedomain.props";
    await runs.write(props, `username=admin\npassword_exec=touch ${runs.path("was-run")}\n`);
    await chmod(runs.path(props), 0o666);
    await runs.refused("invalid-input", "managedomain -p --home one");
    expect(existsSync(runs.path("was-run"))).toBe(false);
  });
});
