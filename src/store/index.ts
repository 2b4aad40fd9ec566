export { lockHome, type HomeLock } from "./sqlite/home-lock.ts";
export { openSqliteStore, requireStore, type SqliteStoreOptions } from "./sqlite/open.ts";
