import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { faultyFileSystem } from "../../test/support/faulty-file-system.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { ensureFolder, writeFileAtomic } from "./atomic-file.ts";

const access = { mode: 0o600 };
const never = Number.POSITIVE_INFINITY;
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;

describe("writeFileAtomic", () => {
  test("replaces content and mode whatever the umask is", async () => {
    const path = join(await tempFolder(), "file");
    await writeFileAtomic(path, "first", { mode: 0o666 });
    expect(await modeOf(path)).toBe(0o666);
    await writeFileAtomic(path, Uint8Array.of(0x32), {
      ...access,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
    });
    expect(await readFile(path, "utf8")).toBe("2");
    expect(await modeOf(path)).toBe(0o600);
  });

  test("syncs the file before its rename and the folder after it", async () => {
    const files = faultyFileSystem(never, "dead");
    await writeFileAtomic(join(await tempFolder(), "file"), "content", access, files);
    expect(files.steps.join(" ")).toBe("open chmod writeFile sync close rename open sync close");
  });

  test("leaves the old content or the new one, and no other file, when any step fails", async () => {
    const folder = await tempFolder();
    const path = join(folder, "file");
    const codes = new Set<unknown>();
    for (let faultAt = 0; faultAt < 9; faultAt++) {
      await writeFile(path, "old");
      const files = faultyFileSystem(faultAt, "disk-full");
      const outcome = await writeFileAtomic(path, "new", access, files).catch(
        (error: unknown) => error,
      );
      codes.add((outcome as { code?: unknown }).code);
      expect(await readFile(path, "utf8")).toBe(faultAt < 6 ? "old" : "new");
      expect(await readdir(folder)).toEqual(["file"]);
    }
    expect([...codes]).toEqual(["disk-full"]);
  });

  test("says that the folder is missing or is no folder", async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, "file"), "");
    for (const path of [join(folder, "missing", "a"), join(folder, "file", "a")]) {
      await expect(writeFileAtomic(path, "", access)).rejects.toMatchObject({ code: "not-found" });
    }
  });

  test("says that it is read-only when the system refuses", async () => {
    const files = faultyFileSystem(never, "dead");
    const refusing = new Proxy(files, {
      get: (target, name) =>
        name === "open"
          ? () => Promise.reject(Object.assign(new Error("no"), { code: "EROFS" }))
          : Reflect.get(target, name),
    });
    const writing = writeFileAtomic(join(await tempFolder(), "a"), "", access, refusing);
    await expect(writing).rejects.toMatchObject({ code: "read-only" });
  });
});

describe("ensureFolder", () => {
  test("makes the folder and its parents, sets its mode, and may be repeated", async () => {
    const path = join(await tempFolder(), "a", "b");
    await ensureFolder(path, 0o700);
    await ensureFolder(path, 0o700);
    expect(await modeOf(path)).toBe(0o700);
    await ensureFolder(path, 0o777);
    expect(await modeOf(path)).toBe(0o777);
  });

  test("refuses when a file has the name", async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, "file"), "");
    await mkdir(join(folder, "other"));
    await expect(ensureFolder(join(folder, "file"), 0o700)).rejects.toMatchObject({
      code: "already-exists",
    });
  });
});
