import { readFile, readdir } from "node:fs/promises";
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
    expect(await change(null, "first")).toEqual([files[0], layout.sealingKey, files[1]]);
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
    expect(await change("first", "second")).toHaveLength(3);
  });

  test("changes nothing when the old passphrase is wrong or missing, or a process runs", async () => {
    await initialize("first");
    const before = await contents();
    await expect(change("wrong", "second")).rejects.toMatchObject({ code: "forbidden" });
    await expect(change(null, "second")).rejects.toMatchObject({ code: "unauthenticated" });
    const lock = await lockHome(layout.store);
    await expect(change("first", "second")).rejects.toMatchObject({ code: "home-locked" });
    lock.release();
    expect(await contents()).toEqual(before);
  });
});
