import type { DatabaseAccess, DatabaseIdentity } from "../../src/store/index.ts";
import { parseDatabaseUrl } from "../../src/store/index.ts";
import { superuser, type PostgresServer } from "./postgresql.ts";

/** Access to a database on some servers, which remembers its identity as an Admin Node Manager does. */
export function accessTo(
  servers: readonly PostgresServer[],
  database: string,
): DatabaseAccess & { readonly known: () => DatabaseIdentity | null } {
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`).join();
  let known: DatabaseIdentity | null = null;
  return {
    address: parseDatabaseUrl(`postgresql://${superuser}@${hosts}/${database}?sslmode=disable`),
    password: async () => servers[0]?.password,
    known: () => known,
    remember: async (identity) => {
      known = identity;
    },
  };
}
