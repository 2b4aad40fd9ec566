export { lockHome, type HomeLock } from "./sqlite/home-lock.ts";
export { openSqliteStore, type SqliteStoreOptions } from "./sqlite/open.ts";
