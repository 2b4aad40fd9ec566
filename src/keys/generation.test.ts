import { mkdir, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { faultyFileSystem } from "../../test/support/faulty-file-system.ts";
import type { Fault } from "../../test/support/faulty-file-system.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import type { FileSystem } from "./file-system.ts";
import {
  installGeneration,
  listGenerations,
  presentGeneration,
  pruneGenerations,
  readCurrent,
  recoverGenerations,
} from "./generation.ts";
import type { Generation } from "./generation.ts";

function generation(sequence: number): Generation {
  return {
    sequence,
    keyPem: `key ${sequence}`,
    certificatePem: `certificate ${sequence}`,
    chainPem: `chain ${sequence}`,
    meta: { serialHex: `0${sequence}`, notAfterMs: sequence },
  };
}

/** What a renewal does on disk. */
async function renew(dir: string, sequence: number, files?: FileSystem): Promise<void> {
  const options = files === undefined ? {} : { files };
  await installGeneration(dir, generation(sequence), options);
  await presentGeneration(dir, sequence, files);
  await pruneGenerations(dir, 1, files);
}

describe("generations", () => {
  test("are installed unseen, then presented, back and forth", async () => {
    const dir = join(await tempFolder(), "credential");
    expect(await readCurrent(dir)).toBeNull();
    expect(await listGenerations(dir)).toEqual([]);
    await installGeneration(dir, generation(1));
    expect(await readCurrent(dir)).toBeNull();
    await presentGeneration(dir, 1);
    for (const sequence of [2, 10]) await installGeneration(dir, generation(sequence));
    expect(await readCurrent(dir)).toEqual(generation(1));
    await presentGeneration(dir, 10);
    expect(await readCurrent(dir)).toEqual(generation(10));
    await presentGeneration(dir, 1);
    expect(await readFile(join(dir, "current", "key.pem"), "utf8")).toBe("key 1");
    expect(await listGenerations(dir)).toEqual([1, 2, 10]);
  });

  test("keep keys from others: folders are 0700 and files 0600", async () => {
    const dir = join(await tempFolder(), "credential");
    await renew(dir, 1);
    const modes = [
      "generations",
      "generations/1",
      "generations/1/key.pem",
      "generations/1/meta.json",
    ];
    const found = await Promise.all(
      modes.map(async (name) => (await stat(join(dir, name))).mode & 0o777),
    );
    expect(found).toEqual([0o700, 0o700, 0o600, 0o600]);
  });

  test("can be installed again with the same content, and with no other", async () => {
    const dir = await tempFolder();
    await installGeneration(dir, generation(1));
    await installGeneration(dir, generation(1));
    const other = { ...generation(1), keyPem: "another key" };
    await expect(installGeneration(dir, other)).rejects.toMatchObject({ code: "conflict" });
    await expect(installGeneration(dir, generation(0))).rejects.toMatchObject({
      code: "invalid-input",
    });
  });

  test("are not presented when they are not there", async () => {
    const dir = await tempFolder();
    await renew(dir, 1);
    await expect(presentGeneration(dir, 2)).rejects.toMatchObject({ code: "not-found" });
    expect(await readCurrent(dir)).toEqual(generation(1));
  });

  test("are pruned to the newest, and the current one stays", async () => {
    const dir = await tempFolder();
    for (const sequence of [1, 2, 3, 4]) await installGeneration(dir, generation(sequence));
    await presentGeneration(dir, 2);
    expect(await pruneGenerations(dir, 1)).toEqual([1, 3]);
    expect(await listGenerations(dir)).toEqual([2, 4]);
    expect(await pruneGenerations(dir, 1)).toEqual([]);
    expect(await readCurrent(dir)).toEqual(generation(2));
  });

  test.each<[string, (dir: string) => Promise<void>]>([
    ["a file is missing", (dir) => rm(join(dir, "generations", "1", "chain.pem"))],
    ["meta.json is cut off", (dir) => writeFile(join(dir, "generations", "1", "meta.json"), "{")],
    ["the generation is missing", (dir) => rm(join(dir, "generations"), { recursive: true })],
    [
      "current is a folder",
      (dir) => rm(join(dir, "current")).then(() => mkdir(join(dir, "current"))),
    ],
    [
      "current leads elsewhere",
      (dir) => rm(join(dir, "current")).then(() => symlink("/etc", join(dir, "current"))),
    ],
  ])("are reported as corrupt when %s", async (_, damage) => {
    const dir = await tempFolder();
    await renew(dir, 1);
    await damage(dir);
    await expect(readCurrent(dir)).rejects.toMatchObject({ code: "state-corrupt" });
  });

  test.each<Fault>(["dead", "disk-full"])(
    "are always complete, old or new, and a second try succeeds, when any step ends with %s",
    async (fault) => {
      let faultAt = 0;
      const seen = new Set<number>();
      for (let isFinished = false; !isFinished; faultAt++) {
        const dir = join(await tempFolder(), "credential");
        await renew(dir, 1);
        const files = faultyFileSystem(faultAt, fault);
        isFinished = await renew(dir, 2, files).then(
          () => true,
          () => false,
        );
        const current = await readCurrent(dir);
        seen.add(current?.sequence ?? 0);
        expect(current).toEqual(generation(current?.sequence ?? 0));
        await renew(dir, 2);
        expect(await readCurrent(dir)).toEqual(generation(2));
        expect((await readdir(dir)).sort()).toEqual(["current", "generations"]);
        expect(await readdir(join(dir, "generations"))).toEqual(["2"]);
      }
      expect(seen).toEqual(new Set([1, 2]));
      expect(faultAt).toBeGreaterThan(40);
    },
  );

  test("are cleared of what a dead process left, and of nothing else", async () => {
    const dir = join(await tempFolder(), "credential");
    await renew(dir, 1);
    const files = faultyFileSystem(20, "dead");
    await expect(renew(dir, 2, files)).rejects.toThrow(/test: dead/);
    expect((await readdir(join(dir, "generations"))).length).toBe(2);
    await recoverGenerations(dir);
    expect(await readdir(join(dir, "generations"))).toEqual(["1"]);
    expect(await readCurrent(dir)).toEqual(generation(1));
  });

  test("sync every file and folder before the rename that makes them count", async () => {
    const dir = join(await tempFolder(), "credential");
    await renew(dir, 1);
    const files = faultyFileSystem(Number.POSITIVE_INFINITY, "dead");
    await installGeneration(dir, generation(2), { files });
    const steps = files.steps.join(" ");
    const oneFile = "open chmod writeFile sync close";
    const folder = "open sync close";
    expect(steps).toContain(
      `${oneFile} ${oneFile} ${oneFile} ${oneFile} ${folder} rename ${folder}`,
    );
  });
});
