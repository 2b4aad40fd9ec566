import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { faultyFileSystem, type Fault } from "../../test/support/faulty-file-system.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { finishReplacement, replaceFiles } from "./replace-files.ts";

const access = { mode: 0o600 };
const names = ["a.pem", "b.pem", "c.pem"];

async function oldFiles(): Promise<string> {
  const folder = await tempFolder();
  await mkdir(folder, { recursive: true });
  for (const name of [...names, "other.pem"]) await writeFile(join(folder, name), "old");
  return folder;
}

const replacement = new Map(names.map((name) => [name, "new"]));
const contentsOf = async (folder: string): Promise<string[]> =>
  Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));

test.each(["dead", "disk-full"] as const)(
  "replaceFiles replaces all or none, whichever step fails (%s), once it is finished",
  async (fault: Fault) => {
    const outcomes = new Set<string>();
    for (let faultAt = 0; ; faultAt++) {
      const folder = await oldFiles();
      const files = faultyFileSystem(faultAt, fault);
      await replaceFiles(folder, replacement, access, files).catch(() => undefined);
      const isOver = files.steps.length <= faultAt;
      // What a start does; it may be interrupted as well, at any step.
      for (let again = 0; again < 12; again++)
        await finishReplacement(folder, faultyFileSystem(again, "dead")).catch(() => undefined);
      await finishReplacement(folder);
      const found = new Set(await contentsOf(folder));
      expect([faultAt, found.size]).toEqual([faultAt, 1]);
      expect((await readdir(folder)).toSorted()).toEqual([...names, "other.pem"]);
      expect(await readFile(join(folder, "other.pem"), "utf8")).toBe("old");
      outcomes.add([...found].join());
      if (isOver) break;
    }
    expect([...outcomes]).toEqual(["old", "new"]);
  },
);

test("replaceFiles says that the disk is full, with the old files in place", async () => {
  const folder = await oldFiles();
  const files = faultyFileSystem(8, "disk-full");
  await expect(replaceFiles(folder, replacement, access, files)).rejects.toMatchObject({
    code: "disk-full",
  });
  expect(await contentsOf(folder)).toEqual(["old", "old", "old"]);
});
