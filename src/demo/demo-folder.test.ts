import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { makeDemoFolder } from "./demo-folder.ts";

describe("makeDemoFolder", () => {
  test("makes a folder that is not there, and takes one that is empty", async () => {
    const parent = await tempFolder();
    mkdirSync(join(parent, "empty"));
    for (const name of ["new", "empty"])
      expect(await makeDemoFolder(join(parent, name))).toBe(join(parent, name));
  });

  test("empties what an earlier demonstration left", async () => {
    const folder = await makeDemoFolder(join(await tempFolder(), "demo"));
    mkdirSync(join(folder, "host-1/conf"), { recursive: true });
    const made = readdirSync(await makeDemoFolder(folder));
    expect(made).not.toContain("host-1");
  });

  test("refuses a folder with anything else in it, and leaves it as it is", async () => {
    const folder = await tempFolder();
    mkdirSync(join(folder, "host-1"));
    await expect(makeDemoFolder(folder)).rejects.toMatchObject({ code: "home-exists" });
    expect(readdirSync(folder)).toEqual(["host-1"]);
  });

  test("says in one line why a folder cannot be made", async () => {
    const folder = await tempFolder();
    writeFileSync(join(folder, "file"), "");
    for (const [path, code] of [
      ["/proc/x", "not-found"],
      [join(folder, "no", "demo"), "not-found"],
      [join(folder, "file"), "invalid-input"],
    ] as const) {
      const made = makeDemoFolder(path);
      await expect(made, path).rejects.toMatchObject({ code });
      await expect(made, path).rejects.not.toHaveProperty("cause");
    }
  });
});
