export { parseDatabaseUrl, type DatabaseAddress } from "./postgresql/address.ts";
export { openPostgresqlStore } from "./postgresql/open.ts";
export type { DatabaseAccess, DatabaseIdentity } from "./postgresql/primary.ts";
export { lockHome, type HomeLock } from "./sqlite/home-lock.ts";
export { openSqliteStore, requireStore, type SqliteStoreOptions } from "./sqlite/open.ts";
