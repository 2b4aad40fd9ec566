import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { saveDatabaseSettings } from "../../src/admin/offline.ts";
import type { LiveDomain } from "./live-domain.ts";
import { PostgresServer, superuser } from "./postgresql.ts";
import { tempFolder } from "./temp-folder.ts";

/** Moves the store of a live domain into a database of its own; returns how to log in there. */
export async function shareStore(
  domain: LiveDomain,
): Promise<{ readonly server: PostgresServer; readonly login: { readonly passwordFile: string } }> {
  const server = await PostgresServer.create();
  onTestFinished(() => server.remove());
  const database = await server.createDatabase();
  const login = { passwordFile: join(await tempFolder(), "database-password") };
  await writeFile(login.passwordFile, `${server.password}\n`, { mode: 0o600 });
  const url = `postgresql://${superuser}@127.0.0.1:${server.port}/${database}?sslmode=disable`;
  await saveDatabaseSettings(domain.home("host-1"), { url, ...login });
  await domain.call("moveStore");
  return { server, login };
}
