import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Store } from "../../control/index.ts";
import {
  authority,
  credential,
  entry,
  host,
  issuance,
} from "../../../test/conformance/store/examples.ts";
import { testClock } from "../../../test/conformance/store/harness.ts";
import { accessTo } from "../../../test/support/postgresql-access.ts";
import { PostgresServer } from "../../../test/support/postgresql.ts";
import { Connection } from "./connection.ts";
import { openPostgresqlStore } from "./open.ts";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.create();
}, 60_000);
afterAll(() => server?.remove());

/** Stores of several Admin Node Managers in one new database. */
async function openStores(count: number): Promise<{ stores: Store[]; database: string }> {
  const database = await server.createDatabase();
  const stores: Store[] = [];
  // Not all at once only to have an order: opening at once is tested by itself.
  for (let n = 1; n <= count; n++) {
    const access = accessTo([server], database);
    stores.push(
      await openPostgresqlStore({ access, writer: `nodemanager-${n}`, clock: testClock }),
    );
  }
  onTestFinished(async () => {
    for (const store of stores) await store.close();
  });
  return { stores, database };
}

test("several Admin Node Managers that open an empty database at once make one schema", async () => {
  const database = await server.createDatabase();
  const stores = await Promise.all(
    [1, 2, 3, 4].map((n) =>
      openPostgresqlStore({
        access: accessTo([server], database),
        writer: `nodemanager-${n}`,
        clock: testClock,
      }),
    ),
  );
  onTestFinished(async () => {
    for (const store of stores) await store.close();
  });
  expect(await Promise.all(stores.map((store) => store.revision()))).toEqual([0, 0, 0, 0]);
});

test("no increment is lost, and each log has no gap, when several write the same row at once", async () => {
  const { stores } = await openStores(3);
  const { id } = credential("instance-1");
  await stores[0]?.write(entry, (tx) => tx.credentials.put(credential("instance-1")));
  const perStore = 40;
  await Promise.all(
    stores.flatMap((store, s) =>
      Array.from({ length: perStore }, (_, n) =>
        store.write(entry, async (tx) => {
          const found = await tx.credentials.get(id);
          await tx.credentials.putRecorded({
            id,
            lastSequence: (found?.lastSequence ?? 0) + 1,
            recorded: [],
          });
          await tx.issuances.append(issuance(`${s}0${n.toString(16)}`));
        }),
      ),
    ),
  );
  await stores[0]?.read(async (view) => {
    const total = stores.length * perStore;
    expect(await view.credentials.get(id)).toMatchObject({ lastSequence: total });
    expect(await view.audit.verify()).toMatchObject({ ok: true, issuances: total });
    const positions = (await view.issuances.page({}, 1000))
      .filter(({ writer }) => writer === "nodemanager-2")
      .map(({ position }) => position);
    expect(positions).toEqual(Array.from({ length: perStore }, (_, i) => i + 1));
  });
});

test("of two that each read what the other writes only one succeeds on what it read", async () => {
  const { stores } = await openStores(2);
  const outcomes = await Promise.allSettled(
    stores.map((store, n) =>
      store.write(entry, async (tx) => {
        if ((await tx.authorities.all()).length > 0) throw new Error("there is one");
        await tx.authorities.put(authority(n + 1, { status: "next" }));
      }),
    ),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await stores[0]?.read((view) => view.authorities.all())).toHaveLength(1);
});

test("one who waits is woken by a change that another Admin Node Manager made", async () => {
  const { stores } = await openStores(2);
  const before = (await stores[0]?.revision()) ?? 0;
  const waiting = stores[0]?.waitForRevision(before, 60_000);
  await stores[1]?.write(entry, (tx) => tx.topology.putHost(host(1)));
  expect(await waiting).toBe(before + 1);
});

test("one that stops inside a transaction keeps the others waiting for less than half a lease", async () => {
  const { stores, database } = await openStores(1);
  const stopped = await Connection.open(
    { host: "127.0.0.1", port: server.port },
    accessTo([server], database).address,
    server.password,
  );
  onTestFinished(() => stopped.close());
  await stopped.execute("begin isolation level serializable");
  await stopped.execute("update counters set value = value where name = 'revision'");
  const begunMs = performance.now();
  await stores[0]?.write(entry, (tx) => tx.topology.putHost(host(1)));
  expect(performance.now() - begunMs).toBeLessThan(2_500);
  await expect(stopped.execute("commit")).rejects.toThrow(
    /idle-in-transaction timeout|Connection terminated|not queryable/,
  );
});

test("two processes that use the same name do not both write", async () => {
  const { stores, database } = await openStores(1);
  const copy = await openPostgresqlStore({
    access: accessTo([server], database),
    writer: "nodemanager-1",
    clock: testClock,
  });
  onTestFinished(() => copy.close());
  await Promise.all(
    [...stores, copy].flatMap((store, s) =>
      Array.from({ length: 20 }, (_, n) =>
        store.write(entry, (tx) => tx.issuances.append(issuance(`${s}0${n.toString(16)}`))),
      ),
    ),
  );
  expect(await copy.read((view) => view.audit.verify())).toMatchObject({ ok: true, issuances: 40 });
});
