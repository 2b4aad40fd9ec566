import { expect, onTestFinished, test } from "vitest";
import type { Store } from "../control/index.ts";
import { entry, host } from "../../test/conformance/store/examples.ts";
import { testClock as clock } from "../../test/conformance/store/harness.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { openSqliteStore } from "./sqlite/open.ts";
import { SwitchableStore } from "./switchable-store.ts";

async function emptyStore(): Promise<Store> {
  return openSqliteStore({ folder: await tempFolder(), writer: "nodemanager-1", clock });
}

async function switchable(): Promise<SwitchableStore> {
  const store = new SwitchableStore(await emptyStore());
  onTestFinished(() => store.close());
  return store;
}

const hostIds = async (store: Store): Promise<string[]> =>
  (await store.read((view) => view.topology.hosts())).map(({ id }) => id);

test("calls that come during a replacement wait for it, and go to the new store", async () => {
  const store = await switchable();
  await store.write(entry, (tx) => tx.topology.putHost(host(1)));
  const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
  const replacement = store.switchTo(async () => {
    await held;
    return emptyStore();
  });
  const write = store.write(entry, (tx) => tx.topology.putHost(host(2)));
  const read = hostIds(store);
  goOn();
  await replacement;
  await write;
  expect(await hostIds(store)).toEqual(["host-2"]);
  expect(await read).not.toContain("host-1");
});

test("calls that are under way end before the replacement begins", async () => {
  const store = await switchable();
  const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
  const order: string[] = [];
  const write = store.write(entry, async (tx) => {
    await held;
    await tx.topology.putHost(host(1));
    order.push("written");
  });
  const replacement = store.switchTo(async () => {
    order.push("replaced");
    return emptyStore();
  });
  goOn();
  await Promise.all([write, replacement]);
  expect(order).toEqual(["written", "replaced"]);
});

test("a replacement that fails leaves the store as it was", async () => {
  const store = await switchable();
  await store.write(entry, (tx) => tx.topology.putHost(host(1)));
  await expect(store.switchTo(() => Promise.reject(new Error("no database")))).rejects.toThrow(
    "no database",
  );
  expect(await hostIds(store)).toEqual(["host-1"]);
});

test("one who waits for a revision is answered when the store is replaced", async () => {
  const store = await switchable();
  const waiting = store.waitForRevision(await store.revision(), 60_000);
  await store.switchTo(emptyStore);
  expect(await waiting).toBe(0);
});
