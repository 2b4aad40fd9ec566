import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { recoverFiles } from "./member-files.ts";
import type { Place } from "./place.ts";
import { stageFiles } from "./stage-files.ts";

const placeAt = (folder: string, gid: number | null = null): Place => ({
  folder,
  gid,
  visible: "link",
  paths: [],
});
const stage = (place: Place, sequence = 1): Promise<void> =>
  stageFiles(place, sequence, { digest: `d${sequence}`, leaf: null, anchors: null }, []);
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;

test.each([null, process.getgid?.() ?? 0])(
  "a folder that holds something else is refused and stays as it is (group %s)",
  async (gid) => {
    const folder = await tempFolder();
    await chmod(folder, 0o755);
    const names = [".unfinished-of-somebody", "etc", "swap.json"];
    for (const name of names) await writeFile(join(folder, name), "");
    const place = placeAt(folder, gid);
    await recoverFiles({ ...place, visible: "swap" });
    await recoverFiles(place);
    await expect(stage(place)).rejects.toMatchObject({
      code: "invalid-input",
      message: `${folder} holds what is not Gatehouse's: name a folder of the member's own, whose parent exists`,
    });
    expect(await modeOf(folder)).toBe(0o755);
    expect((await readdir(folder)).sort()).toEqual(names);
  },
);

test("the root of the file system is refused, and keeps its mode", async () => {
  const before = await modeOf("/");
  await expect(stage(placeAt("/"))).rejects.toMatchObject({ code: "invalid-input" });
  expect(await modeOf("/")).toBe(before);
});

test("a folder whose parent does not exist is refused, and the parent is not made", async () => {
  const base = await tempFolder();
  const parent = join(base, "parent");
  await expect(stage(placeAt(join(parent, "member")))).rejects.toMatchObject({
    code: "not-found",
    message: `${parent}/member cannot be made, since ${parent} does not exist: make that, or name another folder`,
  });
  expect(await readdir(base)).toEqual([]);
});

test("an empty folder becomes the member's own, which is taken again with what else is in it", async () => {
  const folder = join(await tempFolder(), "member");
  await mkdir(folder, { mode: 0o755 });
  await stage(placeAt(folder));
  expect(await modeOf(folder)).toBe(0o700);
  await writeFile(join(folder, "core"), "of its server, which runs here");
  await stage(placeAt(folder), 2);
  expect((await readdir(join(folder, "generations"))).sort()).toEqual(["1", "2"]);
});
