import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ScriptedTerminal } from "../../test/support/scripted-terminal.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { findLogin } from "./credentials.ts";

const nothing = {
  username: undefined,
  password: undefined,
  passwordFile: undefined,
  wordSeparator: "_",
} as const;
const nobody = new ScriptedTerminal();

describe("findLogin", () => {
  test("takes options before the settings file, and asks nobody when both are known", async () => {
    const given = { ...nothing, username: "anna", password: "from option" };
    const props = { username: "admin", password_exec: "echo from exec" };
    expect(await findLogin(given, props, nobody)).toEqual({
      username: "anna",
      password: "from option",
    });
  });

  test("takes the first line of the password file, its end of line left away", async () => {
    const file = join(await tempFolder(), "password");
    await writeFile(file, "se cret\r\nsecond line\n");
    const props = { username: "admin", password_file: file };
    expect(await findLogin(nothing, props, nobody)).toEqual({
      username: "admin",
      password: "se cret",
    });
  });

  test("takes what the command of password_exec writes", async () => {
    const props = { username: "admin", password_exec: "printf '%s' 'from exec'" };
    expect((await findLogin(nothing, props, nobody)).password).toBe("from exec");
  });

  test("does not repeat what a failing command wrote", async () => {
    const props = { username: "admin", password_exec: "echo sesame; exit 3" };
    const error = await findLogin(nothing, props, nobody).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "unauthenticated",
      message: expect.stringContaining("status 3"),
    });
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain("sesame");
  });

  test.each([
    [{}, /the user name .* and the password .* are missing/],
    [{ username: "admin" }, /^nobody can be asked here, and the password .* is missing/],
    [{ password_exec: "echo x" }, /^nobody can be asked here, and the user name .* is missing/],
  ])(
    "says in one line which is missing when nobody can be asked and %j is known",
    async (props, text) => {
      await expect(findLogin(nothing, props, nobody)).rejects.toMatchObject({
        code: "unauthenticated",
        message: expect.stringMatching(text),
      });
    },
  );

  test.each([
    ["_", "--password_file"],
    ["-", "--password-file"],
  ] as const)(
    "names its option as the program with %s in names has it",
    async (wordSeparator, name) => {
      await expect(findLogin({ ...nothing, wordSeparator }, {}, nobody)).rejects.toThrow(
        `the password (${name}, or password_file= `,
      );
    },
  );

  test("asks until a new password is long enough and was written the same twice", async () => {
    const terminal = new ScriptedTerminal([
      "anna",
      "short",
      "long enough",
      "long enogh",
      "long enough",
      "long enough",
    ]);
    expect(await findLogin(nothing, {}, terminal, { isNew: true })).toEqual({
      username: "anna",
      password: "long enough",
    });
    expect(terminal.questions).toHaveLength(6);
  });

  test("refuses a new password from a file that is too short", async () => {
    const props = { username: "admin", password_exec: "echo 1234567" };
    await expect(findLogin(nothing, props, nobody, { isNew: true })).rejects.toMatchObject({
      code: "invalid-input",
    });
    expect(await findLogin(nothing, props, nobody)).toMatchObject({ password: "1234567" });
  });
});
