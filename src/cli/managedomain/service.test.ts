import { afterEach, expect, test, vi } from "vitest";
import { ScriptedTerminal } from "../../../test/support/scripted-terminal.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { runProgram } from "../run-program.ts";
import { managedomain } from "./program.ts";

afterEach(() => vi.restoreAllMocks());

async function run(uid: number, ...args: string[]): Promise<string> {
  vi.spyOn(process, "getuid").mockReturnValue(uid);
  const terminal = new ScriptedTerminal();
  const status = await runProgram("managedomain", managedomain(), args, terminal);
  return `${status} ${terminal.text}`;
}

test("a service is made and removed by root alone, and asked for before anything else is done", async () => {
  const home = await tempFolder();
  for (const command of ["--add_service_only", "--remove_service"])
    expect(await run(1000, command, "--home", home)).toMatch(
      /^11 ! managedomain: systemd services are made by root: [^\n]+$/,
    );
  expect(await run(1000, "--initialize", "--add_service", "--home", home)).toMatch(/^11 /);
});

test("a service is refused for a home without a host, and where there is none to remove", async () => {
  const home = await tempFolder();
  expect(await run(0, "--add_service_only", "--home", home)).toMatch(/^21 [^\n]+$/);
  expect(await run(0, "--remove_service", "--home", home)).toMatch(
    /^3 [^\n]+ has no service: [^\n]+$/,
  );
});
