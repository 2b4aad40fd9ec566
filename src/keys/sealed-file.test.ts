import { existsSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { readSealedFile, writeSealedFile } from "./sealed-file.ts";

async function sealedPair() {
  const folder = await tempFolder();
  const big = join(folder, "big");
  await writeFile(big, Buffer.alloc(300_000, "0123456789\n"));
  const path = join(folder, "sealed");
  await writeSealedFile(path, "of this test", [
    { name: "manifest.json", content: '{"a":"ä"}' },
    { name: "store.db", content: { path: big } },
    { name: "empty", content: "" },
  ]);
  return { folder, path, big, into: join(folder, "out") };
}

test("a sealed file gives back its parts, each as it was, to whoever knows the passphrase", async () => {
  const { path, big, into } = await sealedPair();
  await readSealedFile(path, "of this test", into);
  expect((await readdir(into)).toSorted()).toEqual(["empty", "manifest.json", "store.db"]);
  expect(await readFile(join(into, "manifest.json"), "utf8")).toBe('{"a":"ä"}');
  expect(await readFile(join(into, "store.db"))).toEqual(await readFile(big));
  expect((await stat(join(into, "store.db"))).mode & 0o777).toBe(0o600);
  expect((await readFile(path, "latin1")).includes("0123456789")).toBe(false);
});

test("a sealed file is refused as a whole, and leaves nothing, when the passphrase is wrong or any byte was changed", async () => {
  const { path, into } = await sealedPair();
  const whole = await readFile(path);
  await expect(readSealedFile(path, "of another", into)).rejects.toMatchObject({
    code: "forbidden",
  });
  const salt = whole.indexOf("salt") + 8;
  for (const at of [salt, 400, whole.length - 20, whole.length - 1]) {
    const damaged = Buffer.from(whole);
    damaged[at] = damaged[at] === 0x31 ? 0x32 : 0x31;
    await writeFile(path, damaged);
    await expect(readSealedFile(path, "of this test", into)).rejects.toMatchObject({
      code: "forbidden",
    });
    expect(existsSync(into)).toBe(false);
  }
  await writeFile(path, whole.subarray(0, whole.length - 1));
  await expect(readSealedFile(path, "of this test", into)).rejects.toThrow(/damaged/);
});

test("a sealed file of a later version, and a file that is none, are told apart", async () => {
  const { path, into } = await sealedPair();
  const text = (await readFile(path)).toString("latin1");
  await writeFile(path, text.replace('"version":1', '"version":2'), "latin1");
  await expect(readSealedFile(path, "x", into)).rejects.toThrow(/format version 2/);
  await writeFile(path, "SQLite format 3\n");
  await expect(readSealedFile(path, "x", into)).rejects.toThrow(/is not a backup/);
  await expect(readSealedFile(`${path}.gone`, "x", into)).rejects.toMatchObject({
    code: "not-found",
  });
});

test("nothing is left when a part of what is to be sealed cannot be read", async () => {
  const folder = await tempFolder();
  const parts = [{ name: "store.db", content: { path: join(folder, "gone") } }];
  await expect(writeSealedFile(join(folder, "sealed"), "x", parts)).rejects.toThrow(/gone/);
  expect(await readdir(folder)).toEqual([]);
});
