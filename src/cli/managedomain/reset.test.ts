import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { initializeHome } from "../../admin/offline.ts";
import { homeLayout } from "../../domain/index.ts";
import { markOf } from "../../transport/index.ts";
import { ScriptedTerminal } from "../../../test/support/scripted-terminal.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { runProgram } from "../run-program.ts";
import { managedomain } from "./program.ts";

async function domainHome(): Promise<string> {
  const home = join(await tempFolder(), "home");
  await initializeHome(home, {
    domainName: "CN=Domain",
    hostName: "one.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager on one.test",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
  });
  return home;
}

async function reset(home: string, ...more: string[]): Promise<string> {
  const terminal = new ScriptedTerminal();
  const args = ["--reset", "--home", home, ...more];
  const status = await runProgram("managedomain", managedomain(), args, terminal);
  return `${status} ${terminal.lines.join("\n")}`;
}

test("--reset refuses the home that holds keys of CAs until it is said that they may be lost", async () => {
  const home = await domainHome();
  const layout = homeLayout(home);
  expect(await reset(home)).toMatch(
    /^11 ! managedomain: .*management-1\.key\.pem.*authority move HOST/,
  );
  expect(existsSync(layout.authorityKey("management-1" as never))).toBe(true);
  await writeFile(layout.managedomainProps, "username=admin\n", { mode: 0o600 });
  expect(await reset(home, "--discard_ca_keys")).toMatch(/^0 .*is no host of a domain any more/);
  expect(await readdir(join(home, "groups"))).toEqual([]);
  expect(await readdir(join(home, "conf"))).toEqual(["managedomain.props"]);
  expect(existsSync(layout.store)).toBe(false);
  expect(await reset(home)).toMatch(/^21 /);
});

test.each([
  ["an instance", "groups/group-2/instance-1/run/instance.json"],
  ["a member of a service", "members/member-1/run.json"],
])("--reset refuses a home on which %s runs", async (_, file) => {
  const home = await domainHome();
  await mkdir(join(home, dirname(file)), { recursive: true });
  const child = spawn("sleep", ["60"]);
  onTestFinished(() => void child.kill());
  const mark = await markOf(child.pid ?? 0);
  await writeFile(join(home, file), JSON.stringify(mark));
  expect(await reset(home, "--discard_ca_keys")).toMatch(
    new RegExp(`^44 ! managedomain: .*${file} \\(process ${child.pid}\\)`),
  );
  expect(existsSync(homeLayout(home).nodeSettings)).toBe(true);
});
