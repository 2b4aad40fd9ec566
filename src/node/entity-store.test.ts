import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeFixture } from "../../test/support/node-fixture.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { isEncryptedPem } from "../keys/index.ts";
import {
  asksForPassphrase,
  changeEntityStore,
  changeStoppedEntityStore,
  openEntityStore,
  protectEntityStore,
} from "./entity-store.ts";
import type { NodeState } from "./node-state.ts";

async function keyPem({ layout }: NodeState): Promise<string> {
  return readFile(join(layout.nodeCredential, "current", "key.pem"), "utf8");
}

test("the Node Manager's keys change their passphrase, come to a file that gives it, and lose it again", async () => {
  const { state } = await nodeFixture();
  const { layout } = state;
  const file = join(await tempFolder(), "passphrase");
  await writeFile(file, "second\n", { mode: 0o600 });
  await changeEntityStore(state, { old: "", new: "first", source: {} });
  expect(isEncryptedPem(await keyPem(state))).toBe(true);
  expect(await asksForPassphrase(layout)).toBe(true);
  await expect(openEntityStore(layout, null)).rejects.toMatchObject({ code: "unauthenticated" });
  for (const old of ["", "second"])
    await expect(
      changeEntityStore(state, { old, new: "x", source: {} }),
      old,
    ).rejects.toMatchObject({ code: "forbidden" });
  const change = { old: "first", new: "second", source: { passphraseFile: file } };
  await changeEntityStore(state, change);
  expect(await asksForPassphrase(layout)).toBe(false);
  expect((await openEntityStore(layout, null)).passphrases).toEqual({
    current: "second",
    former: [],
  });
  await state.loadIdentity();
  await chmod(file, 0o644);
  await expect(openEntityStore(layout, null)).rejects.toThrow(/can be read by others/);
  await changeEntityStore(state, { old: "second", new: "", source: {} });
  expect(isEncryptedPem(await keyPem(state))).toBe(false);
  expect((await openEntityStore(layout, null)).passphrases.current).toBeNull();
});

test("who dies in the middle of a change starts with the new passphrase, which opens what is under the old one", async () => {
  const { state, install, domain } = await nodeFixture();
  const { layout } = state;
  await install(2, await domain.nodeManager("host-1", { authorityId: "management-1" }));
  await changeEntityStore(state, { old: "", new: "first", source: {} });
  const before = await keyPem(state);
  // The settings say already that it is being changed; no key does.
  const path = join(layout.nodeCredential, "generations", "2", "key.pem");
  const second = await readFile(path, "utf8");
  await writeFile(path, "damaged");
  await expect(
    changeEntityStore(state, { old: "first", new: "second", source: {} }),
  ).rejects.toMatchObject({ code: "invalid-input" });
  await writeFile(path, second);
  await writeFile(join(layout.nodeCredential, "generations", "1", "key.pem"), before);
  const keys = await openEntityStore(layout, { current: "second", former: [] });
  expect(keys.passphrases).toEqual({ current: "second", former: ["first"] });
  await protectEntityStore({ layout, keys });
  expect(await keyPem(state)).not.toBe(before);
  expect((await openEntityStore(layout, { current: "second", former: [] })).passphrases).toEqual(
    keys.passphrases,
  );
  expect(keys.passphrases.former).toEqual([]);
});

test("the keys of a stopped Node Manager are changed by who knows their passphrase", async () => {
  const { state } = await nodeFixture();
  const { layout } = state;
  const change = (old: string, next: string): Promise<void> =>
    changeStoppedEntityStore(layout, { old, new: next, source: {} });
  await expect(change("none", "first")).rejects.toMatchObject({ code: "forbidden" });
  await change("", "first");
  await expect(change("wrong", "second")).rejects.toMatchObject({ code: "forbidden" });
  await expect(change("", "second")).rejects.toMatchObject({ code: "forbidden" });
  await change("first", "second");
  expect(
    (await openEntityStore(layout, { current: "second", former: [] })).passphrases.current,
  ).toBe("second");
});
