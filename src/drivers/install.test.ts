import { chmod, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { faultyFileSystem, type Fault } from "../../test/support/faulty-file-system.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { installOnMember, type MemberServer, type NewGeneration } from "./install.ts";
import { changedFiles, recoverFiles } from "./member-files.ts";
import { linkedSequence, type Place } from "./place.ts";

type Visible = Place["visible"];

async function newPlace(visible: Visible): Promise<Place> {
  const base = await tempFolder();
  for (const name of ["a", "b"]) await mkdir(join(base, name));
  const paths = visible === "link" ? [] : [join(base, "a", "pem"), join(base, "b", "pem")];
  return { folder: join(base, "member"), gid: null, visible, paths };
}

function generation(place: Place, sequence: number): NewGeneration {
  const names = place.visible === "link" ? ["key", "certificate"] : place.paths;
  return {
    sequence,
    facts: { digest: `d${sequence}`, leaf: `leaf ${sequence}`, anchors: "anchors" },
    files: names.map((path) => ({
      path,
      bytes: Buffer.from(`leaf ${sequence}`),
      access: { mode: 0o600 },
    })),
  };
}

/** What the server would read now: each file's content, or null. */
function readByServer(place: Place): Promise<(string | null)[]> {
  const paths =
    place.visible === "link"
      ? ["key", "certificate"].map((name) => join(place.folder, "current", name))
      : place.paths;
  return Promise.all(paths.map((path) => readFile(path, "utf8").catch(() => null)));
}

/** A server that has loaded what it last read, and refuses what it is told to. */
function fakeServer(
  place: Place,
  refuses: { check?: string; load?: string } = {},
): MemberServer & { loaded: string | null; steps: string[] } {
  const server = {
    name: "fake",
    loaded: null as string | null,
    steps: [] as string[],
    check: async () => {
      server.steps.push("check");
      const found = new Set(await readByServer(place));
      if (found.size !== 1 || found.has(refuses.check ?? "")) throw new Error("check refuses");
    },
    takeEffect: async (isTrustChanged: boolean) => {
      server.steps.push(isTrustChanged ? "restart" : "reload");
      const [first = null, ...others] = await readByServer(place);
      if (others.some((each) => each !== first)) throw new Error("mixed");
      if (first !== refuses.load) server.loaded = first;
    },
    serves: (leaf: string) => Promise.resolve(server.loaded === leaf),
    untilServes: async (leaf: string) => {
      if (server.loaded !== leaf) throw new Error("an old certificate is served");
    },
  };
  return server;
}

describe.each<Visible>(["link", "swap"])("a generation, visible by %s,", (visible) => {
  test("is presented, checked, read and seen, and then the last known good one", async () => {
    const place = await newPlace(visible);
    const server = fakeServer(place);
    await installOnMember(place, server, generation(place, 1));
    await installOnMember(place, server, generation(place, 2));
    expect(await readByServer(place)).toEqual(["leaf 2", "leaf 2"]);
    expect(server.loaded).toBe("leaf 2");
    expect(server.steps).toEqual(["check", "restart", "check", "reload"]);
    expect(await linkedSequence(place, "good")).toBe(2);
  });

  test("is not brought in again when it is served, and is when it is not", async () => {
    const place = await newPlace(visible);
    const server = fakeServer(place);
    await installOnMember(place, server, generation(place, 1));
    server.steps = [];
    await installOnMember(place, server, generation(place, 1));
    expect(server.steps).toEqual([]);
    server.loaded = "an older one";
    await installOnMember(place, server, generation(place, 1));
    expect(server.steps).toEqual(["check", "reload"]);
  });

  test.each<[string, { check?: string; load?: string }, string[]]>([
    ["its check fails", { check: "leaf 2" }, ["check"]],
    ["the old one is still served", { load: "leaf 2" }, ["check", "reload", "reload"]],
  ])("gives way to the last known good one when %s", async (_, refuses, steps) => {
    const place = await newPlace(visible);
    const good = fakeServer(place);
    await installOnMember(place, good, generation(place, 1));
    const server = Object.assign(fakeServer(place, refuses), { loaded: "leaf 1" });
    await expect(installOnMember(place, server, generation(place, 2))).rejects.toMatchObject({
      code: "generation-refused",
      message: "fake did not take generation 2; generation 1 is in use again",
    });
    expect(await readByServer(place)).toEqual(["leaf 1", "leaf 1"]);
    expect(server.loaded).toBe("leaf 1");
    expect(server.steps).toEqual(steps);
    expect(await linkedSequence(place, "good")).toBe(1);
  });

  test("is known to have been edited, removed or opened to others, file by file", async () => {
    const place = await newPlace(visible);
    await installOnMember(place, fakeServer(place), generation(place, 1));
    expect(await changedFiles(place)).toEqual([]);
    const [first = "", second = ""] = place.paths.length
      ? place.paths
      : ["key", "certificate"].map((name) => join(place.folder, "current", name));
    await chmod(first, 0o644);
    await writeFile(second, "edited");
    expect(await changedFiles(place)).toEqual([
      { path: first, problem: "mode" },
      { path: second, problem: "content" },
    ]);
    await rm(first);
    expect(await changedFiles(place)).toContainEqual({ path: first, problem: "missing" });
  });

  test("is not presented when somebody has changed what was staged", async () => {
    const place = await newPlace(visible);
    const server = fakeServer(place);
    for (const sequence of [1, 2])
      await installOnMember(place, server, generation(place, sequence));
    const staged = visible === "link" ? "key" : "0-pem";
    await writeFile(join(place.folder, "generations", "1", staged), "edited");
    await expect(installOnMember(place, server, generation(place, 1))).rejects.toMatchObject({
      code: "generation-refused",
      cause: { code: "state-corrupt" },
    });
    expect(await readByServer(place)).toEqual(["leaf 2", "leaf 2"]);
  });

  test("stays where it is when it is the good one and the server does not run", async () => {
    const place = await newPlace(visible);
    await installOnMember(place, fakeServer(place), generation(place, 1));
    const stopped = fakeServer(place, { load: "leaf 1" });
    await expect(installOnMember(place, stopped, generation(place, 1))).rejects.toMatchObject({
      code: "generation-refused",
    });
    expect(await readByServer(place)).toEqual(["leaf 1", "leaf 1"]);
  });

  test("is placed and checked only, before the first start, and confirmed after it", async () => {
    const place = await newPlace(visible);
    const server = fakeServer(place);
    await installOnMember(place, server, generation(place, 1), "stopped");
    expect(server.steps).toEqual(["check"]);
    expect(await linkedSequence(place, "good")).not.toBe(1);
    expect(await readByServer(place)).toEqual(["leaf 1", "leaf 1"]);
    server.loaded = "leaf 1";
    await installOnMember(place, server, generation(place, 1), "started");
    expect(await linkedSequence(place, "good")).toBe(1);
    expect(server.steps).toEqual(["check", "check"]);
  });

  test("is another one than that of the same number", async () => {
    const place = await newPlace(visible);
    const server = fakeServer(place);
    await installOnMember(place, server, generation(place, 1));
    const other = { ...generation(place, 1), facts: generation(place, 2).facts };
    await expect(installOnMember(place, server, other)).rejects.toMatchObject({ code: "conflict" });
  });

  test.each<Fault>(["dead", "disk-full"])(
    "is old or new as a whole after any step that ends with %s, and a second try succeeds",
    async (fault) => {
      const seen = new Set<string | null>();
      let faultAt = 0;
      for (let isFinished = false; !isFinished; faultAt++) {
        const place = await newPlace(visible);
        const server = fakeServer(place);
        await installOnMember(place, server, generation(place, 1));
        const files = faultyFileSystem(faultAt, fault);
        isFinished = await installOnMember({ ...place, files }, server, generation(place, 2)).then(
          () => true,
          () => false,
        );
        await recoverFiles(place);
        const [first = null, second = null] = await readByServer(place);
        expect(second).toBe(first);
        expect(["leaf 1", "leaf 2"]).toContain(first);
        expect(await linkedSequence(place, "current")).toBe(Number(first?.slice(-1)));
        seen.add(first);
        await installOnMember(place, server, generation(place, 2));
        expect(server.loaded).toBe("leaf 2");
        expect(await readByServer(place)).toEqual(["leaf 2", "leaf 2"]);
        await expectTidy(place);
      }
      expect(seen).toEqual(new Set(["leaf 1", "leaf 2"]));
      expect(faultAt).toBeGreaterThan(40);
    },
  );
});

test("files placed by hand are there, and kept, after a death at any step of keeping them", async () => {
  let faultAt = 0;
  for (let isKept = false; !isKept; faultAt++) {
    const place = await newPlace("swap");
    const [path = ""] = place.paths;
    await writeFile(path, "by hand");
    const server = fakeServer(place);
    const files = faultyFileSystem(faultAt, "dead");
    await expect(
      installOnMember({ ...place, files }, server, generation(place, 1)),
    ).rejects.toBeInstanceOf(Error);
    await recoverFiles(place);
    expect(await readByServer(place)).toEqual(["by hand", null]);
    isKept = (await linkedSequence(place, "good")) === 0;
    await installOnMember(place, server, generation(place, 1));
    expect(server.loaded).toBe("leaf 1");
    expect(await readFile(join(place.folder, "generations", "0", "0-pem"), "utf8")).toBe("by hand");
    await expectTidy(place);
  }
  expect(faultAt).toBeGreaterThan(30);
});

async function expectTidy(place: Place): Promise<void> {
  expect((await readdir(place.folder)).sort()).toEqual(["current", "generations", "good"]);
  for (const path of place.paths) expect(await readdir(join(path, ".."))).toEqual(["pem"]);
  for (const name of await readdir(join(place.folder, "generations")))
    expect(name).toMatch(/^\d+$/);
}

describe("files that somebody placed by hand", () => {
  test("come back with their modes, and absent ones are absent again, when the first generation fails", async () => {
    const place = await newPlace("swap");
    const [path = "", absent = ""] = place.paths;
    await writeFile(path, "by hand", { mode: 0o640 });
    const server = Object.assign(fakeServer(place, { load: "leaf 1" }), {
      takeEffect: async () => {},
    });
    await expect(installOnMember(place, server, generation(place, 1))).rejects.toMatchObject({
      message: "fake did not take generation 1; generation 0 is in use again",
    });
    expect(await readByServer(place)).toEqual(["by hand", null]);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    await expect(stat(absent)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("are refused when one of them is a link", async () => {
    const place = await newPlace("swap");
    const [path = ""] = place.paths;
    await writeFile(`${path}-real`, "by hand");
    await symlink(`${path}-real`, path);
    await expect(
      installOnMember(place, fakeServer(place), generation(place, 1)),
    ).rejects.toMatchObject({
      code: "invalid-input",
      message: expect.stringContaining("is a link") as string,
    });
  });

  test("that were changed in the middle of a swap are put right by its end", async () => {
    const place = await newPlace("swap");
    const server = fakeServer(place);
    await installOnMember(place, server, generation(place, 1));
    await writeFile(join(place.folder, "swap.json"), '{"to":1}\n');
    await rm(place.paths[0] ?? "");
    await writeFile(place.paths[1] ?? "", "edited");
    await recoverFiles(place);
    expect(await readByServer(place)).toEqual(["leaf 1", "leaf 1"]);
  });
});

test("the folders of a member are 0700, or 0750 for the group that is named", async () => {
  for (const [gid, mode] of [
    [null, 0o700],
    [process.getgid?.() ?? 0, 0o750],
  ] as const) {
    const place = { ...(await newPlace("link")), gid };
    await installOnMember(place, fakeServer(place), generation(place, 1));
    for (const name of ["", "generations", "generations/1"])
      expect((await stat(join(place.folder, name))).mode & 0o777).toBe(mode);
  }
});

test("generations are kept while they are current, good or among the newest", async () => {
  const place = await newPlace("link");
  const server = fakeServer(place);
  for (const sequence of [1, 2, 3, 4, 5])
    await installOnMember(place, server, generation(place, sequence));
  expect((await readdir(join(place.folder, "generations"))).sort()).toEqual(["3", "4", "5"]);
});
