import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { DomainError } from "../kit/index.ts";
import type { Store } from "../control/index.ts";
import {
  authority,
  credential,
  entry,
  host,
  issuance,
  rollout,
} from "../../test/conformance/store/examples.ts";
import { testClock } from "../../test/conformance/store/harness.ts";
import { accessTo } from "../../test/support/postgresql-access.ts";
import { PostgresServer } from "../../test/support/postgresql.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { moveToPostgresql, type MovedStore } from "./move-store.ts";
import { openPostgresqlStore } from "./postgresql/open.ts";
import { openSqliteStore } from "./sqlite/open.ts";

const writer = "nodemanager-1";
const clock = testClock;
let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.create();
}, 60_000);
afterAll(() => server?.remove());

/** An embedded store with something in most tables. */
async function filledStore(): Promise<{ folder: string; store: Store }> {
  const folder = await tempFolder();
  const store = await openSqliteStore({ folder, writer, clock });
  onTestFinished(() => store.close());
  await store.write(entry, async (tx) => {
    await tx.topology.putHost(host(1));
    await tx.authorities.put(authority(1));
    await tx.credentials.put(credential("instance-1"));
    await tx.rollouts.put(rollout("r"));
    await tx.topology.nextNumber("host", 7);
  });
  for (let n = 0; n < 300; n++) {
    const der = Uint8Array.from({ length: 600 }, (_, i) => (i * n) % 256);
    await store.write(entry, (tx) => tx.issuances.append(issuance(`a${n}`, { der })));
  }
  return { folder, store };
}

function move(
  folder: string,
  database: string,
  during: () => Promise<void> = async () => {},
): Promise<MovedStore> {
  return moveToPostgresql({
    folder,
    access: accessTo([server], database),
    clock,
    hold: async (copyRest) => {
      await during();
      await copyRest();
    },
  });
}

async function opened(database: string): Promise<Store> {
  const store = await openPostgresqlStore({ access: accessTo([server], database), writer, clock });
  onTestFinished(() => store.close());
  return store;
}

/** Everything that can be read, in one value. */
function everything(store: Store): Promise<unknown> {
  return store.read(async (view) => ({
    hosts: await view.topology.hosts(),
    authorities: await view.authorities.all(),
    credentials: await view.credentials.all(),
    rollouts: await view.rollouts.all(10),
    issuances: await view.issuances.page({}, 1000),
    audit: await view.audit.page({}, 1000),
    verdict: await view.audit.verify(),
    revision: await store.revision(),
  }));
}

test("a moved store holds what the embedded one held, and goes on counting", async () => {
  const { folder, store } = await filledStore();
  const database = await server.createDatabase();
  const lastWrite = (): Promise<void> =>
    store.write(entry, (tx) => tx.issuances.append(issuance("last")));
  const moved = await move(folder, database, lastWrite);
  expect(moved).toMatchObject({ records: 302, issuances: 301 });
  const there = await opened(database);
  expect(await everything(there)).toEqual(await everything(store));
  await there.write(entry, async (tx) => {
    expect(await tx.topology.nextNumber("host", 1)).toBe(8);
    await tx.issuances.append(issuance("next"));
  });
  expect(await there.read((view) => view.audit.verify())).toMatchObject({ ok: true, links: 303 });
});

test("a move that was interrupted is begun anew by the next one", async () => {
  const { folder, store } = await filledStore();
  const database = await server.createDatabase();
  const interrupted = move(folder, database, () =>
    Promise.reject(new DomainError("timeout", "cut")),
  );
  await expect(interrupted).rejects.toMatchObject({ code: "timeout" });
  await store.write(entry, (tx) => tx.topology.putHost(host(2)));
  await move(folder, database);
  expect(await everything(await opened(database))).toEqual(await everything(store));
});

test("a database that holds another domain is left alone", async () => {
  const database = await server.createDatabase();
  const there = await opened(database);
  await there.write({ ...entry, subject: "other" }, (tx) => tx.topology.putHost(host(9)));
  const { folder } = await filledStore();
  await expect(move(folder, database)).rejects.toMatchObject({ code: "already-exists" });
  expect(await there.read((view) => view.topology.hosts())).toEqual([host(9)]);
});

test("a store whose chain is broken is not moved", async () => {
  const { folder, store } = await filledStore();
  await store.close();
  const { default: Database } = await import("better-sqlite3");
  const db = new Database(`${folder}/gatehouse.db`);
  db.exec("update issuances set subject = 'CN=other' where position = 200");
  db.close();
  const database = await server.createDatabase();
  await expect(move(folder, database)).rejects.toMatchObject({ code: "audit-broken" });
});
