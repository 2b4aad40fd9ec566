import { afterAll, beforeAll } from "vitest";
import { describeStore } from "../../../test/conformance/store.ts";
import { PostgresServer, superuser } from "../../../test/support/postgresql.ts";
import { parseDatabaseUrl } from "./address.ts";
import { openPostgresqlStore } from "./open.ts";
import type { DatabaseAccess } from "./primary.ts";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.create();
}, 60_000);
afterAll(() => server?.remove());

/** What the writing program is told in one argument, too. */
function accessTo(place: string): DatabaseAccess {
  const { url, password } = JSON.parse(place) as { url: string; password: string };
  return {
    address: parseDatabaseUrl(url),
    password: async () => password,
    known: () => null,
    remember: async () => {},
  };
}

describeStore("postgresql", {
  async place() {
    const database = await server.createDatabase();
    const url = `postgresql://${superuser}@127.0.0.1:${server.port}/${database}?sslmode=disable`;
    return JSON.stringify({ database, url, password: server.password });
  },
  open: (place, options) => openPostgresqlStore({ access: accessTo(place), ...options }),
  writerProgram: new URL("../../../test/support/issue-until-killed-postgresql.ts", import.meta.url),
  async tamper(place, sql) {
    const { database } = JSON.parse(place) as { database: string };
    await server.query(sql, database);
  },
});
