export { formatServer, parseDatabaseUrl, type DatabaseAddress } from "./postgresql/address.ts";
export { openPostgresqlStore } from "./postgresql/open.ts";
export type { DatabaseAccess, DatabaseIdentity } from "./postgresql/primary.ts";
export { moveToPostgresql, type MovedStore } from "./move-store.ts";
export { checkDatabase } from "./postgresql/check.ts";
export { databaseTimeMs } from "./postgresql/database-time.ts";
export { SwitchableStore } from "./switchable-store.ts";
export { lockHome, type HomeLock } from "./sqlite/home-lock.ts";
export { openSqliteStore, requireStore, type SqliteStoreOptions } from "./sqlite/open.ts";
