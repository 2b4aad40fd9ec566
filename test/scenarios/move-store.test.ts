import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { RouteResponse } from "../../src/contract/index.ts";
import { homeLayout } from "../../src/domain/index.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { PostgresServer, superuser } from "../support/postgresql.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const gatehouse = join(import.meta.dirname, "..", "..", "bin", "gatehouse");

/** Writes without a pause until it is stopped; keeps what was acknowledged, what failed, and the longest wait. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly failures: unknown[] = [];
  longestMs = 0;
  #isStopping = false;
  readonly #done: Promise<void>;

  constructor(domain: LiveDomain) {
    this.#done = this.#write(domain);
  }

  async #write(domain: LiveDomain): Promise<void> {
    while (!this.#isStopping) {
      const begunMs = performance.now();
      await domain.call("createJoinToken", { body: { hostName: null, lifetimeSeconds: 60 } }).then(
        ({ token }) => this.acknowledged.push(token.split(".")[1] ?? ""),
        (error: unknown) => this.failures.push(error),
      );
      this.longestMs = Math.max(this.longestMs, performance.now() - begunMs);
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }
}

test("the store moves into PostgreSQL under load, and loses nothing", async () => {
  const server = await PostgresServer.create();
  onTestFinished(() => server.remove());
  const database = await server.createDatabase();
  const domain = await LiveDomain.start(2);
  const instance = await domain.addInstance("host-2");
  const load = await LiveLoad.start(domain, [instance.port]);
  const home = domain.home("host-1");
  const secrets = await tempFolder();
  const files = { admin: join(secrets, "admin"), db: join(secrets, "database") };
  await writeFile(files.admin, `${password}\n`, { mode: 0o600 });
  await writeFile(files.db, `${server.password}\n`, { mode: 0o600 });
  const login = ["--username", "admin", "--password-file", files.admin];
  const url = `postgresql://${superuser}@127.0.0.1:${server.port}/${database}?sslmode=disable`;
  const run = (...args: string[]): Promise<{ stdout: string }> =>
    promisify(execFile)(gatehouse, ["--home", home, ...login, ...args]);
  const writers = Array.from({ length: 4 }, () => new Writer(domain));
  await waitUntil(() => writers.every((writer) => writer.acknowledged.length > 10), {
    deadlineMs: 20_000,
    what: "writes go on",
  });
  const moved = await run("store", "migrate", "--to", url, "--db-password-file", files.db);
  expect(moved.stdout).toMatch(/^The store is in the database: \d+ audit records, \d+ issuances/);
  const atMove = writers.map((writer) => writer.acknowledged.length);
  await waitUntil(
    () => writers.every((writer, i) => writer.acknowledged.length > (atMove[i] ?? 0) + 10),
    { deadlineMs: 20_000, what: "writes go on after the move" },
  );
  await Promise.all(writers.map((writer) => writer.stop()));
  expect(writers.flatMap((writer) => writer.failures)).toEqual([]);
  expect(Math.max(...writers.map((writer) => writer.longestMs))).toBeLessThan(2_000);
  const left = readdirSync(homeLayout(home).store).filter((name) =>
    name.startsWith("gatehouse.db"),
  );
  expect(left).toEqual(["gatehouse.db.moved"]);
  await domain.kill("host-1", "run/admin.json");
  const records = await auditOf(domain);
  const recorded = new Set(records.map(({ subject }) => subject));
  expect(
    writers.flatMap(({ acknowledged }) => acknowledged).filter((id) => !recorded.has(id)),
  ).toEqual([]);
  expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });
  const replaced = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(replaced.rollout.status).toBe("completed");
  await load.stop();
  expect(load.at(instance.port).failures).toEqual([]);
  expect((await run("store", "check")).stdout).toMatch(/PostgreSQL on 127\.0\.0\.1:\d+.*/);
  await expect(run("store", "migrate", "--to", url)).rejects.toMatchObject({ code: 33 });
});

async function auditOf(domain: LiveDomain): Promise<RouteResponse<"listAudit">["records"]> {
  const all: RouteResponse<"listAudit">["records"] = [];
  for (let after = ""; ;) {
    const query = { after, limit: 1000 } as never;
    const page = await domain.call("listAudit", { query });
    if (page.records.length === 0) return all;
    all.push(...page.records);
    after = page.next;
  }
}
