import { copyFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import { entry } from "../../../test/conformance/store/examples.ts";
import type { TransactionExecutor } from "../executor.ts";
import { appendAudit, AuditView } from "../tables/audit.ts";
import { Connection, migrate, openForWriting } from "./database.ts";
import { GroupCommit } from "./group-commit.ts";
import { Reader } from "./reader.ts";

interface Rig {
  readonly db: Database.Database;
  readonly group: GroupCommit;
  readonly reader: Reader;
  readonly raised: () => number;
}

async function rig(sync: () => Promise<void>, pagesMax?: number): Promise<Rig> {
  const file = join(await tempFolder(), "gatehouse.db");
  const db = openForWriting(file);
  const reading = new Database(file, { readonly: true });
  onTestFinished(() => {
    reading.close();
    db.close();
  });
  migrate(db, 1);
  if (pagesMax !== undefined)
    db.pragma(`max_page_count = ${Number(db.pragma("page_count", { simple: true })) + pagesMax}`);
  let raised = 0;
  const group = new GroupCommit({
    connection: new Connection(db),
    writer: "nodemanager-1",
    sync,
    transactionMsMax: 1000,
    onRaised: () => raised++,
  });
  return { db, group, reader: new Reader(new Connection(reading)), raised: () => raised };
}

const record = (executor: TransactionExecutor, subject = "s"): Promise<void> =>
  executor.run(appendAudit("nodemanager-1", 1, { ...entry, subject }));

/** A sync that ends when it is told to. */
function heldSync(): { sync: () => Promise<void>; end: () => void; started: () => number } {
  let started = 0;
  let end = (): void => {};
  const sync = (): Promise<void> => {
    started++;
    return new Promise((resolve) => {
      end = resolve;
    });
  };
  return { sync, end: () => end(), started: () => started };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a transaction is acknowledged when its sync has ended and not before", async () => {
  const { sync, end, started } = heldSync();
  const { group, reader, raised } = await rig(sync);
  const seen: string[] = [];
  const write = group.submit("w", async (executor) => {
    await record(executor);
    executor.raiseFeed();
  });
  void write.then(() => seen.push("acknowledged"));
  await turn();
  expect(started()).toBe(1);
  expect(await new AuditView(reader).page({}, 9)).toHaveLength(1);
  void group.settled().then(() => seen.push("settled"));
  await turn();
  expect([seen, raised()]).toEqual([[], 0]);
  end();
  await write;
  await turn();
  expect([seen, raised()]).toEqual([["acknowledged", "settled"], 1]);
});

test("transactions that come during a sync are committed together and get one link", async () => {
  const { sync, end, started } = heldSync();
  const { group, reader } = await rig(sync);
  const first = group.submit("first", (executor) => record(executor));
  await turn();
  const later = Array.from({ length: 20 }, (_, n) =>
    group.submit("later", (executor) => record(executor, `${n}`)),
  );
  await turn();
  expect(started()).toBe(1);
  end();
  await first;
  await waitUntil(() => started() === 2, { deadlineMs: 5_000, what: "the second sync" });
  end();
  await Promise.all(later);
  expect(started()).toBe(2);
  expect(await new AuditView(reader).links("nodemanager-1", 0, 9)).toMatchObject([
    { number: 1, auditFrom: 1, auditTo: 1 },
    { number: 2, auditFrom: 2, auditTo: 21 },
  ]);
});

test("nothing is answered any more when a sync has failed", async () => {
  let fails = true;
  const { group } = await rig(() =>
    fails ? Promise.reject(Object.assign(new Error("io"), { code: "EIO" })) : Promise.resolve(),
  );
  await expect(group.submit("w", (executor) => record(executor))).rejects.toMatchObject({
    code: "internal",
  });
  fails = false;
  await expect(group.settled()).rejects.toMatchObject({ code: "internal" });
  await expect(group.submit("w", (executor) => record(executor))).rejects.toMatchObject({
    code: "internal",
  });
});

test("what is acknowledged is in the files as they were when the sync began", async () => {
  const images: string[] = [];
  const { db, group } = await rig(async () => {
    const image = await tempFolder();
    for (const suffix of ["", "-wal"])
      copyFileSync(`${db.name}${suffix}`, join(image, `copy.db${suffix}`));
    images.push(image);
  });
  for (let n = 0; n < 5; n++) {
    await Promise.all(
      ["a", "b", "c"].map((name) =>
        group.submit(name, (executor) => record(executor, `${name}${n}`)),
      ),
    );
    if (n === 2) db.pragma("wal_checkpoint(TRUNCATE)");
    const copy = new Database(join(images.at(-1) ?? "", "copy.db"));
    const count = copy.prepare("select count(*) from audit_records").pluck().get();
    copy.close();
    expect(count).toBe(3 * (n + 1));
  }
});

test("a full disk is said to be full, and smaller changes go on when there is space again", async () => {
  const { db, group, reader } = await rig(() => Promise.resolve(), 5);
  await group.submit("small", (executor) => record(executor));
  const large = group.submit("large", async (executor) => {
    for (let n = 0; n < 100; n++) await record(executor, "x".repeat(3000));
  });
  await expect(large).rejects.toMatchObject({ code: "disk-full" });
  db.pragma("max_page_count = 100000");
  await group.submit("small", (executor) => record(executor));
  const audit = new AuditView(reader);
  expect(await audit.page({}, 9)).toHaveLength(2);
  expect(await audit.verify()).toEqual({ ok: true, links: 2, records: 2, issuances: 0 });
});

test("all of a group fail when its commit fails, and the next group goes on", async () => {
  const { db, group, reader } = await rig(() => Promise.resolve());
  db.exec(
    "create trigger refuse before insert on chain_links begin select raise(abort, 'no'); end",
  );
  const outcomes = await Promise.allSettled(
    ["a", "b"].map((name) => group.submit(name, (executor) => record(executor))),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  db.exec("drop trigger refuse");
  await group.submit("c", (executor) => record(executor));
  expect(await new AuditView(reader).verify()).toEqual({
    ok: true,
    links: 1,
    records: 1,
    issuances: 0,
  });
});

test("a statement that failed fails its transaction when the work goes on regardless", async () => {
  const { group, reader } = await rig(() => Promise.resolve());
  const stubborn = group.submit("stubborn", async (executor) => {
    await record(executor);
    await executor
      .run({
        ...appendAudit("w", 1, entry),
        values: { ...appendAudit("w", 1, entry).values, actor: null },
      })
      .catch(() => {});
  });
  await expect(stubborn).rejects.toMatchObject({ code: "internal" });
  expect(await new AuditView(reader).page({}, 9)).toEqual([]);
});
