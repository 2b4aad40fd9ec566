import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { saveDatabaseSettings } from "../../src/admin/offline.ts";
import { onEnd } from "./cleanup.ts";
import type { LiveDomain } from "./live-domain.ts";
import { PostgresServer, superuser, type ServerPlace } from "./postgresql.ts";
import { tempFolder } from "./temp-folder.ts";

/** Moves the store of a live domain into a database on `servers`, the first of which is the primary. */
export async function moveStoreTo(
  domain: LiveDomain,
  servers: readonly PostgresServer[],
): Promise<{ readonly passwordFile: string }> {
  const [primary] = servers;
  if (primary === undefined) throw new Error("a database has a server");
  const database = await primary.createDatabase();
  const login = { passwordFile: join(await tempFolder(), "database-password") };
  await writeFile(login.passwordFile, `${primary.password}\n`, { mode: 0o600 });
  const hosts = servers.map(({ place, port }) => `${place.address}:${port}`).join();
  const url = `postgresql://${superuser}@${hosts}/${database}?sslmode=disable`;
  await saveDatabaseSettings(domain.home("host-1"), { url, ...login });
  await domain.call("moveStore");
  return login;
}

/** A server for the running test. */
export async function testServer(place?: ServerPlace): Promise<PostgresServer> {
  const server = await PostgresServer.create({}, place);
  onEnd(() => server.remove());
  return server;
}
