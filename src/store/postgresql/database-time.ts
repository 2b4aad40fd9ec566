import { openPrimary, type DatabaseAccess } from "./primary.ts";

/** What the clock of the database's server says, milliseconds since 1970. Throws `store-unavailable`. */
export async function databaseTimeMs(access: DatabaseAccess): Promise<number> {
  const connection = await openPrimary(access);
  try {
    const [row] = await connection.execute(
      "select (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms",
    );
    return Number(row?.["now_ms"]);
  } finally {
    connection.close();
  }
}
