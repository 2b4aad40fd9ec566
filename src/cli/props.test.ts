import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { parseProps, readProps } from "./props.ts";

describe("parseProps", () => {
  test("reads names and values when there are comments, spaces and empty lines", () => {
    const text =
      "# who\nusername = admin\n\n! how\npassword_exec=/bin/echo a=b \r\nanm_host: anm1\n";
    expect(parseProps(text, "x")).toEqual({
      username: "admin",
      password_exec: "/bin/echo a=b",
      anm_host: "anm1",
    });
  });

  test("passes over a name without a value", () => {
    expect(parseProps("anm_host=\n", "x")).toEqual({});
  });

  test("names every problem and its line when there are several", () => {
    expect(() => parseProps("username=a\npasword_file=x\nnonsense\n", "the.props")).toThrow(
      "the.props: line 2: pasword_file is unknown; line 3 is not name=value",
    );
  });

  test("refuses a password in plain without repeating it", () => {
    const read = (): unknown => parseProps("password=hunter22\n", "x");
    expect(read).toThrow("line 1: write password_file= or password_exec= instead of a password");
    expect(read).not.toThrow("hunter22");
  });
});

describe("readProps", () => {
  test("is empty when there is no file", async () => {
    expect(await readProps(join(await tempFolder(), "managedomain.props"))).toEqual({});
  });

  test("refuses a file that others can write, since it names a command to run", async () => {
    const path = join(await tempFolder(), "managedomain.props");
    await writeFile(path, "username=admin\n");
    await chmod(path, 0o620);
    await expect(readProps(path)).rejects.toMatchObject({ code: "invalid-input" });
    await chmod(path, 0o644);
    expect(await readProps(path)).toEqual({ username: "admin" });
  });
});
