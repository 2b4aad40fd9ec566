import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { nodeFixture } from "../../test/support/node-fixture.ts";
import type { DesiredState } from "../contract/index.ts";
import { makePendingKey, pendingKeyFile, readPendingKey, seal } from "../keys/index.ts";
import { KeyProtection } from "../keys/index.ts";
import { changeEntityStore } from "./entity-store.ts";
import { PendingKeys } from "./pending-keys.ts";

const leaf = { profile: "nm", subject: "CN=nodemanager-1", alternativeNames: [] } as const;

test("a key that waits for its certificate is protected as the Node Manager's own, or by what was given for it", async () => {
  const { state } = await nodeFixture();
  const { layout, pendingKeys } = state;
  const folder = `${layout.temporaryKeys}/nodemanager-1`;
  await state.groups.open();
  const opens = async (passphrase: string): Promise<boolean> =>
    readPendingKey(folder, new KeyProtection(passphrase)).then(
      (key) => key !== null,
      () => false,
    );
  await pendingKeys.follow();
  await makePendingKey(folder, leaf, pendingKeys.keys);
  await changeEntityStore(state, { old: "", new: "of the host", source: {} });
  await pendingKeys.follow();
  expect(await readFile(pendingKeyFile(folder), "utf8")).toMatch(/ENCRYPTED/);
  expect([await opens("of the host"), await opens("other")]).toEqual([true, false]);
  // Also for a Node Manager that is started after its passphrase was changed.
  await changeEntityStore(state, { old: "of the host", new: "changed", source: {} });
  await new PendingKeys(state).follow();
  expect([await opens("changed"), await opens("of the host")]).toEqual([true, false]);

  const spki = Buffer.from(state.groups.observation()?.sealingKey ?? "", "base64");
  const keyPassphrase = await seal("of the key", spki);
  state.desired = { keyPassphrase } as unknown as DesiredState;
  await pendingKeys.follow();
  expect([await opens("of the key"), await opens("changed")]).toEqual([true, false]);
  // It is still there after a start, and after the Node Manager's own was changed.
  await changeEntityStore(state, { old: "changed", new: "another", source: {} });
  const restarted = new PendingKeys(state);
  await restarted.follow();
  expect((await readPendingKey(folder, restarted.keys))?.requestPem).toContain("REQUEST");
  expect(await opens("of the key")).toBe(true);
  // What was sealed for another key is as if it was not given.
  state.desired = { keyPassphrase: "damaged" } as unknown as DesiredState;
  await restarted.follow();
  expect(restarted.keys.passphrases.current).toBe("another");
  expect(await opens("another")).toBe(true);
  expect(existsSync(pendingKeyFile(folder))).toBe(true);
});
