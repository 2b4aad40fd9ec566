import { existsSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { beforeEach, describe, expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import type { AuthorityId } from "../kit/index.ts";
import { KeyProtection, readPrivateKeyFile } from "../keys/index.ts";
import { backUpHome } from "./backup.ts";
import { initializeHome } from "./offline.ts";
import { recoverHome } from "./recover.ts";
import { restoreHome } from "./restore.ts";

const management = "management-1" as AuthorityId;
let layout: HomeLayout;
let folder: string;
let path: string;

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

const backUp = (keyPassphrase: string | null = null) =>
  backUpHome(layout.home, { path, passphrase: "of the backup", keyPassphrase });
const restore = (home: string, changes: Partial<Parameters<typeof restoreHome>[1]> = {}) =>
  restoreHome(home, {
    path,
    passphrase: "of the backup",
    keyPassphrase: null,
    host: null,
    waived: [],
    ...changes,
  });

beforeEach(async () => {
  layout = homeLayout(await tempFolder());
  folder = await tempFolder();
  path = join(folder, "backup");
});

describe("a backup", () => {
  test("restores settings, keys and domain of its home, under a key of the new home's own", async () => {
    await initialize(null);
    await writeFile(join(layout.home, "conf", "hooks.json"), '{"command":["/bin/true"]}');
    expect(await backUp()).toMatchObject({
      path,
      keys: ["trust-signing", "management-1", "traffic-1"],
    });
    expect((await readdir(layout.store)).join()).not.toContain("backup");
    const other = homeLayout(join(folder, "home"));
    expect(await restore(other.home)).toMatchObject({
      settings: { hostId: "host-1", port: 8090, isAdmin: true },
      waitsFor: [],
    });
    for (const file of ["trustKey", "domainCertificate"] as const)
      expect(await readFile(other[file], "utf8")).toBe(await readFile(layout[file], "utf8"));
    expect(await readFile(join(other.home, "conf", "hooks.json"), "utf8")).toContain("/bin/true");
    const [before, after] = await Promise.all(
      [layout, other].map(({ nodeCredential }) =>
        readFile(join(nodeCredential, "current", "key.pem"), "utf8"),
      ),
    );
    expect(after).not.toBe(before);
    expect((await readdir(other.store)).join()).not.toContain("backup");
    await expect(restore(other.home)).rejects.toMatchObject({ code: "home-exists" });
  });

  test("of encrypted keys needs their passphrase, and keeps them encrypted", async () => {
    await initialize("of the keys");
    await expect(backUp()).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(backUp("wrong")).rejects.toMatchObject({ code: "forbidden" });
    expect(await readdir(folder)).toEqual([]);
    await backUp("of the keys");
    const home = join(folder, "home");
    await expect(restore(home)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(existsSync(home)).toBe(false);
    await restore(home, { keyPassphrase: "of the keys" });
    const key = homeLayout(home).authorityKey(management);
    expect((await readPrivateKeyFile(key, { passphrase: "of the keys" })).type).toBe("private");
    await expect(readPrivateKeyFile(key)).rejects.toMatchObject({ code: "unauthenticated" });

    const recover = (passphrase: string | null) =>
      recoverHome(layout.home, {
        passphrase,
        isNewAuthorityWanted: false,
        keys: new KeyProtection(),
      });
    await expect(recover(null)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(recover("wrong")).rejects.toMatchObject({ code: "forbidden" });
    expect(await recover("of the keys")).toMatchObject({ hostId: "host-1", replaced: [] });
  });

  test("is not made of a home with another's key, or whose log was changed; no file is left", async () => {
    await initialize(null);
    const key = layout.authorityKey(management);
    const right = await readFile(key, "utf8");
    await writeFile(key, await readFile(layout.authorityKey("traffic-1" as AuthorityId), "utf8"));
    await expect(backUp()).rejects.toThrow(/key of management-1 is not that of its certificate/);
    await rm(layout.trustKey);
    await writeFile(key, right);
    await expect(backUp()).rejects.toThrow(/lacks trust-signing/);
    const db = new Database(join(layout.store, "gatehouse.db"));
    db.exec("update audit_records set actor = 'nobody' where position = 1");
    db.close();
    await expect(backUp()).rejects.toMatchObject({ code: "audit-broken" });
    expect(await readdir(folder)).toEqual([]);
    expect((await readdir(layout.store)).join()).not.toContain("backup");
  });

  test("is not restored as a host that it does not know, nor waives one", async () => {
    await initialize(null);
    await backUp();
    const home = join(folder, "home");
    await expect(restore(home, { host: "other" })).rejects.toMatchObject({ code: "not-found" });
    await expect(restore(home, { waived: ["other"] })).rejects.toMatchObject({ code: "not-found" });
    expect(await readdir(folder)).toEqual(["backup"]);
  });
});
