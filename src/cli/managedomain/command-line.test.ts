import { describe, expect, test } from "vitest";
import { ScriptedTerminal } from "../../../test/support/scripted-terminal.ts";
import { parseCommandLine } from "./command-line.ts";
import { laterWords } from "./later.ts";
import { commandNames, optionRows } from "./option-table.ts";

const parse = (...args: string[]) => parseCommandLine(args, new ScriptedTerminal());
const nameOf = (flags: string): string => /--([a-z_]+)[^-]*$/.exec(flags)?.[1] ?? "";
const withValue = optionRows.filter(({ flags }) => / <[a-z0-9]+>$/.test(flags));

describe("parseCommandLine", () => {
  test.each(withValue.map((row) => [nameOf(row.flags), row.for?.[0] ?? "add"] as const))(
    "reads --%s the same when its value stands apart or behind =",
    async (name, command) => {
      const apart = await parse(`--${command}`, `--${name}`, "17");
      const behind = await parse(`--${name}=17`, `--${command}`);
      expect(apart.given.text(name)).toBe("17");
      expect(behind.given.text(name)).toBe("17");
    },
  );

  test.each([
    ["-i", "initialize"],
    ["-a", "add"],
    ["-c", "create_instance"],
    ["-p", "print_topology"],
    ["-v", "version"],
  ])("takes %s for --%s", async (short, command) => {
    expect((await parse(short)).command).toBe(command);
  });

  test("reads the documented short options of --create_instance", async () => {
    const { given } = await parse(
      "-c",
      "-n",
      "APIGateway1",
      "-g",
      "Group1",
      "-m",
      "8085",
      "-s",
      "8080",
    );
    expect(given.text("name")).toBe("APIGateway1");
    expect(given.text("group")).toBe("Group1");
    expect(given.port("instance_management_port")).toBe(8085);
    expect(given.port("instance_services_port")).toBe(8080);
  });

  test("keeps every alternative name when the option is repeated", async () => {
    const { given } = await parse(
      "-i",
      "--subj_alt_name",
      "DNS.1=a",
      "--subj_alt_name=IP.1=127.0.0.1",
    );
    expect(given.texts("subj_alt_name")).toEqual(["DNS.1=a", "IP.1=127.0.0.1"]);
  });

  test("refuses every pair of commands", async () => {
    for (const one of commandNames) {
      for (const other of commandNames) {
        if (one === other) continue;
        await expect(parse(`--${one}`, `--${other}`)).rejects.toMatchObject({ code: "usage" });
      }
    }
  });

  test.each(Object.keys(laterWords))(
    "says that --%s is a later version's, with and without a value",
    async (word) => {
      for (const args of [[`--${word}`], [`--${word}=x`], ["-i", `--${word}`, "x"]])
        await expect(parse(...args)).rejects.toMatchObject({
          code: "not-supported",
          message: expect.stringMatching(new RegExp(`^--${word}: `)),
        });
    },
  );

  test("refuses an option of another command", async () => {
    for (const row of optionRows) {
      const stray = commandNames.find(
        (command) => row.for !== undefined && !row.for.includes(command),
      );
      if (stray === undefined) continue;
      await expect(parse(`--${stray}`, `--${nameOf(row.flags)}`, "1")).rejects.toMatchObject({
        message: expect.stringMatching(/does not go with|too many arguments/),
      });
    }
  });
});
