import { chmod, readFile } from "node:fs/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import type { AuthorityId } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { generateKeyPair } from "../keys/index.ts";
import { KeyFiles } from "./key-files.ts";

let layout: HomeLayout;
const first = "management-1" as AuthorityId;
const second = "traffic-1" as AuthorityId;

beforeEach(async () => {
  layout = homeLayout(await tempFolder());
});

describe("KeyFiles", () => {
  const isEncrypted = async (id: AuthorityId): Promise<boolean> =>
    (await readFile(layout.authorityKey(id), "utf8")).startsWith("-----BEGIN ENCRYPTED");

  test("are locked from a start to the right passphrase, and write as they are meanwhile", async () => {
    const { privateKey } = await generateKeyPair("ecdsa-p256");
    const before = new KeyFiles(layout);
    before.protectWith("sesame");
    await before.write(layout.authorityKey(first), privateKey);
    expect(await isEncrypted(first)).toBe(true);
    const files = new KeyFiles(layout);
    const refusal = { code: "authority-unavailable" };
    expect(await files.isLocked()).toBe(true);
    await expect(files.read(layout.authorityKey(first))).rejects.toMatchObject(refusal);
    await expect(files.write(layout.authorityKey(second), privateKey)).rejects.toMatchObject(
      refusal,
    );
    await expect(files.unlock("wrong")).rejects.toMatchObject({ code: "forbidden" });
    expect(await files.isLocked()).toBe(true);
    expect(await files.unlock("sesame")).toBe(true);
    expect(await files.unlock("sesame")).toBe(false);
    expect((await files.read(layout.authorityKey(first))).equals(privateKey)).toBe(true);
    await files.write(layout.authorityKey(second), privateKey);
    expect(await isEncrypted(second)).toBe(true);
    expect(await files.unprotected()).toEqual([]);
  });

  test("without a passphrase are not locked, and named", async () => {
    const { privateKey } = await generateKeyPair("ecdsa-p256");
    const files = new KeyFiles(layout);
    expect(await files.isLocked()).toBe(false);
    const path = layout.authorityKey(first);
    await files.write(path, privateKey);
    expect([await isEncrypted(first), await files.unprotected()]).toEqual([false, [path]]);
    expect(await files.unlock("sesame")).toBe(false);
    // One that others can read is refused when it is needed, not before.
    await chmod(path, 0o644);
    expect(await new KeyFiles(layout).isLocked()).toBe(false);
    await expect(files.read(path)).rejects.toMatchObject({ code: "forbidden" });
  });
});
