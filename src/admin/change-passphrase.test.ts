import { readFile, readdir, writeFile } from "node:fs/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import type { AuthorityId } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { readPrivateKeyFile } from "../keys/index.ts";
import { lockHome } from "../store/index.ts";
import { changePassphrase } from "./change-passphrase.ts";
import { initializeHome } from "./offline.ts";

let layout: HomeLayout;
const management = "management-1" as AuthorityId;
const traffic = "traffic-1" as AuthorityId;

/** Makes a domain, encrypted from the start where a passphrase is given. */
async function initialize(passphrase: string | null): Promise<void> {
  await initializeHome(layout.home, {
    domainName: "CN=Domain",
    hostName: "host-1.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
    passphrase,
  });
}

beforeEach(async () => {
  layout = homeLayout(await tempFolder());
});

describe("changePassphrase", () => {
  const change = (old: string | null, next: string): Promise<string[]> =>
    changePassphrase(layout.home, { old, new: next });
  const contents = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      await Promise.all(
        (await readdir(layout.authorityKeys)).map(async (name) => [
          name,
          await readFile(`${layout.authorityKeys}/${name}`, "utf8"),
        ]),
      ),
    );

  test("encrypts every key but the trust-signing key, and again under another passphrase", async () => {
    await initialize(null);
    const files = [management, traffic].map((id) => layout.authorityKey(id));
    const copies = [layout.domainKey, layout.domainContainer];
    expect(await change(null, "first")).toEqual([...copies, files[0], layout.sealingKey, files[1]]);
    await change("first", "second");
    for (const path of [...files, layout.sealingKey]) {
      expect((await readPrivateKeyFile(path, { passphrase: "second" })).type).toBe("private");
      await expect(readPrivateKeyFile(path, { passphrase: "first" })).rejects.toThrow("is wrong");
    }
    expect((await readPrivateKeyFile(layout.trustKey)).type).toBe("private");
  });

  test("changes the passphrase of a domain that was made with one", async () => {
    await initialize("first");
    await expect(readPrivateKeyFile(layout.sealingKey)).rejects.toMatchObject({
      code: "unauthenticated",
    });
    expect(await change("first", "second")).toHaveLength(5);
  });

  test("changes nothing when the old passphrase is wrong or missing, or a process runs", async () => {
    await initialize("first");
    const before = await contents();
    await expect(change("wrong", "second")).rejects.toMatchObject({ code: "forbidden" });
    await expect(change(null, "second")).rejects.toMatchObject({
      code: "unauthenticated",
      message: expect.stringContaining("--old_passphrase_file"),
    });
    const lock = await lockHome(layout.store);
    await expect(change("first", "second")).rejects.toMatchObject({
      code: "home-locked",
      message: expect.stringContaining(`\`gatehouse node stop --home ${layout.home}\``),
    });
    lock.release();
    expect(await contents()).toEqual(before);
  });

  test("refuses an old passphrase where nothing is encrypted", async () => {
    await initialize(null);
    const before = await contents();
    await expect(change("first", "second")).rejects.toMatchObject({
      code: "invalid-input",
      message: expect.stringContaining("the keys are not encrypted"),
    });
    expect(await contents()).toEqual(before);
  });

  test("says of a host without an Admin Node Manager that it has none", async () => {
    await initialize(null);
    const settings = JSON.parse(await readFile(layout.nodeSettings, "utf8")) as object;
    await writeFile(layout.nodeSettings, JSON.stringify({ ...settings, isAdmin: false }));
    await expect(change(null, "first")).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining(`${layout.home} has no Admin Node Manager`),
    });
  });
});
