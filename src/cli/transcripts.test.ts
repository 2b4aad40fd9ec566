import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { sampleAnswers } from "../../test/support/sample-domain.ts";
import { ScriptedAdmin } from "../../test/support/scripted-admin.ts";
import { ScriptedTerminal } from "../../test/support/scripted-terminal.ts";
import { gatehouse } from "./gatehouse/program.ts";
import { managedomain } from "./managedomain/program.ts";
import { runProgram } from "./run-program.ts";

const folder = fileURLToPath(new URL("../../test/cli/", import.meta.url));

/** Runs one command line of a transcript against the sample domain; what it writes, and its status. */
async function play(line: string): Promise<string> {
  const [name = "", ...args] = (line.match(/'[^']*'|\S+/g) ?? []).map((word) =>
    word.replace(/^'(.*)'$/, "$1"),
  );
  const { open } = new ScriptedAdmin(sampleAnswers);
  const program = name === "gatehouse" ? gatehouse(open) : managedomain(open);
  const terminal = new ScriptedTerminal();
  const status = await runProgram(name, program, args, terminal);
  return [`$ ${line}`, ...terminal.lines, `= ${status}`, ""].join("\n");
}

// Lines of a transcript: `$` a command, `!` stderr, `=` the exit status, `#` why it is there.
describe("command lines", () => {
  test.each(readdirSync(folder))("print what test/cli/%s says when they are run", async (file) => {
    const kept = readFileSync(`${folder}${file}`, "utf8").split("\n");
    const parts: string[] = [];
    for (const line of kept) {
      if (line.startsWith("$ ")) parts.push(await play(line.slice(2)));
      else if (line.startsWith("# ")) parts.push(line);
    }
    await expect(parts.join("\n")).toMatchFileSnapshot(`${folder}${file}`);
  });
});
