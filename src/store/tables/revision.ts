import { statement } from "../statement.ts";
import type { Executor } from "../executor.ts";

const read = statement((db) =>
  db.selectFrom("counters").select("value").where("name", "=", "revision"),
);

/** Raises the feed revision by one. */
export const raiseRevision = statement((db) =>
  db
    .updateTable("counters")
    .set((eb) => ({ value: eb("value", "+", eb.lit(1)) }))
    .where("name", "=", "revision"),
);

/** The feed revision as `executor` sees it. */
export async function readRevision(executor: Executor): Promise<number> {
  return (await executor.rows(read({})))[0]?.value ?? 0;
}
