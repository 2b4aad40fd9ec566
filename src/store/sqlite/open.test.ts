import type { Stats } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { DomainError } from "../../kit/index.ts";
import type { Store } from "../../control/index.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import { entry, host, hostId, issuance } from "../../../test/conformance/store/examples.ts";
import { testClock as clock } from "../../../test/conformance/store/harness.ts";
import { migrations } from "../migrations.ts";
import { storeError } from "./errors.ts";

import { openSqliteStore } from "./open.ts";

async function open(folder: string): Promise<Store> {
  const store = await openSqliteStore({ folder, writer: "nodemanager-1", clock });
  onTestFinished(() => store.close());
  return store;
}

test("opening says home-missing when there is no folder", async () => {
  await expect(open(join(await tempFolder(), "none"))).rejects.toMatchObject({
    code: "home-missing",
  });
});

test("opening says state-corrupt and names the file when it is not a database", async () => {
  const folder = await tempFolder();
  const file = join(folder, "gatehouse.db");
  await writeFile(
    file,
    "this is not a database, but it is long enough to have a header".repeat(100),
  );
  const failure = await open(folder).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: "state-corrupt",
    message: `${file} is not an intact database: restore the home folder from a backup`,
  });
});

test("reading says state-corrupt when a page of the database was overwritten", async () => {
  const folder = await tempFolder();
  const file = join(folder, "gatehouse.db");
  const store = await open(folder);
  await store.write(entry, (tx) => tx.topology.putHost(host(1)));
  await store.close();
  const bytes = await readFile(file);
  bytes.fill(0xa5, 4096);
  await writeFile(file, bytes);
  const use = async (): Promise<unknown> =>
    (await open(folder)).read((view) => view.topology.hosts());
  await expect(use()).rejects.toMatchObject({ code: "state-corrupt" });
});

/** A store whose schema a later version has changed 99 times. */
async function changedLater(usableFrom: number): Promise<string> {
  const folder = await tempFolder();
  await (await open(folder)).close();
  const db = new Database(join(folder, "gatehouse.db"));
  db.exec("insert into schema_migrations (number, title, applied_at_ms) values (99, 'later', 1)");
  db.prepare("update counters set value = ? where name = 'schema_usable_from'").run(usableFrom);
  db.close();
  return folder;
}

test("opening takes a schema of a later version that still serves this one", async () => {
  const store = await open(await changedLater(migrations.length));
  await store.write(entry, (tx) => tx.topology.putHost(host(1)));
  expect(await store.read((view) => view.topology.hosts())).toHaveLength(1);
});

test("opening refuses a schema that only later versions can use", async () => {
  const folder = await changedLater(migrations.length + 1);
  await expect(open(folder)).rejects.toMatchObject({
    code: "state-corrupt",
    message: expect.stringMatching(
      /has schema 99, this version knows up to \d+: run the version that wrote it/,
    ) as string,
  });
});

test("the files of the store can be read by their owner only", async () => {
  const folder = await tempFolder();
  const store = await open(folder);
  await store.write(entry, (tx) => tx.topology.putHost(host(1)));
  for (const name of ["gatehouse.db", "gatehouse.db-wal", "gatehouse.db-shm"]) {
    expect((await stat(join(folder, name))).mode & 0o777, name).toBe(0o600);
  }
});

test("the log is copied into the database in the background when much is committed", async () => {
  const folder = await tempFolder();
  const store = await open(folder);
  const size = async (): Promise<number> => (await stat(join(folder, "gatehouse.db"))).size;
  const before = await size();
  for (let n = 0; n < 300; n++) {
    await store.write(entry, (tx) =>
      tx.issuances.append(issuance(n.toString(16), { der: new Uint8Array(2000) })),
    );
  }
  await waitUntil(async () => (await size()) > before + 300_000, {
    deadlineMs: 10_000,
    what: "the database file grows",
  });
});

test("the log that is synced stays the same file when it is emptied and begun again", async () => {
  const folder = await tempFolder();
  const store = await open(folder);
  const log = (): Promise<Stats> => stat(join(folder, "gatehouse.db-wal"));
  await store.write(entry, (tx) => tx.topology.putHost(host(1)));
  const { ino } = await log();
  const other = new Database(join(folder, "gatehouse.db"));
  other.pragma("wal_checkpoint(TRUNCATE)");
  other.close();
  expect(await log()).toMatchObject({ ino, size: 0 });
  await store.write(entry, (tx) => tx.topology.putHost(host(2)));
  const after = await log();
  expect(after.ino).toBe(ino);
  expect(after.size).toBeGreaterThan(0);
});

test("a store that is closed answers nothing", async () => {
  const store = await open(await tempFolder());
  await store.close();
  await store.close();
  await expect(store.read((view) => view.topology.hosts())).rejects.toMatchObject({
    code: "not-running",
  });
  await expect(store.revision()).rejects.toMatchObject({ code: "not-running" });
});

test("no lock of an open store is lost when a second one is opened and closed in the same process", async () => {
  const folder = await tempFolder();
  const first = await open(folder);
  await (await open(folder)).close();
  await first.write(entry, (tx) => tx.topology.putHost(host(1)));
  expect(await first.read((view) => view.topology.host(hostId(1)))).toEqual(host(1));
});

test.each([
  ["SQLITE_FULL", "disk-full"],
  ["ENOSPC", "disk-full"],
  ["SQLITE_READONLY_DBMOVED", "read-only"],
  ["SQLITE_CANTOPEN", "read-only"],
  ["EROFS", "read-only"],
  ["EACCES", "read-only"],
  ["SQLITE_CORRUPT_INDEX", "state-corrupt"],
  ["SQLITE_NOTADB", "state-corrupt"],
  ["SQLITE_BUSY_SNAPSHOT", "home-locked"],
  ["SQLITE_IOERR_FSYNC", "internal"],
  ["SQLITE_ERROR", "internal"],
])("an error %s of the database becomes %s", (code, expected) => {
  const error = storeError(Object.assign(new Error("raw text"), { code }), "/srv/x/gatehouse.db");
  expect(error).toMatchObject({ code: expected, context: { sqlite: code } });
  expect(error.message).toContain("/srv/x/gatehouse.db");
  expect(error.message).not.toMatch(/raw text|\n/);
});

test("an error of our own passes unchanged", () => {
  const error = new DomainError("conflict", "x");
  expect(storeError(error, "f")).toBe(error);
});
