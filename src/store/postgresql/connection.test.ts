import { expect, onTestFinished, test } from "vitest";
import { PostgresServer, superuser } from "../../../test/support/postgresql.ts";
import { parseDatabaseUrl } from "./address.ts";
import { Connection } from "./connection.ts";

test("a session compiles no query to machine code, also when it reads a table without an index", async () => {
  const server = await PostgresServer.create();
  onTestFinished(() => server.remove());
  const url = `postgresql://${superuser}@127.0.0.1:${server.port}/postgres?sslmode=disable`;
  const address = parseDatabaseUrl(url);
  const connection = await Connection.open(
    { host: "127.0.0.1", port: server.port },
    address,
    server.password,
  );
  onTestFinished(() => connection.close());
  await connection.execute("create table things (id text, document text)");
  const plan = await connection.execute("explain analyze select document from things order by id");
  expect(JSON.stringify(plan)).toContain("Seq Scan");
  expect(JSON.stringify(plan)).not.toContain("JIT");
});
