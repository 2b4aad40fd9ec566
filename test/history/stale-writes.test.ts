import { expect, onTestFinished, test } from "vitest";
import { PostgresServer } from "../support/postgresql.ts";
import { staleWrites, watchClaims } from "../support/stale-writes.ts";

test("a leader's step is found when it was committed after another one's claim, and before it is not", async () => {
  const primary = await PostgresServer.create({ track_commit_timestamp: "on" });
  onTestFinished(() => primary.remove());
  const database = await primary.createDatabase();
  const run = (sql: string): Promise<unknown> => primary.query(sql, database);
  const step = (position: number, token: number): Promise<unknown> =>
    run(
      `insert into audit_records values ('nodemanager-1', ${position}, 'rollout.step', '{"fencingToken":${token}}')`,
    );
  await run("create table audit_records (writer text, position bigint, action text, detail text)");
  await run("create table leases (holder text, fencing_token bigint, renewals bigint)");
  await run("insert into leases values ('nodemanager-1', 1, 0)");
  await watchClaims(primary, database);
  await expect(staleWrites({ primary, database })).rejects.toThrow("nothing tells stale writes");
  await step(1, 1);
  await run("update leases set renewals = 1");
  await run("update leases set holder = 'nodemanager-2', fencing_token = 2");
  await step(2, 2);
  expect(await staleWrites({ primary, database })).toEqual([]);
  await step(3, 1);
  expect(await staleWrites({ primary, database })).toMatchObject([
    { writer: "nodemanager-1", position: "3", holder: "nodemanager-2" },
  ]);
});
