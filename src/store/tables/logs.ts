import type { LogCursor, LogPosition } from "../../control/index.ts";
import type { Executor } from "../executor.ts";
import { statement, type Query } from "../statement.ts";

const writers = statement((db) => db.selectFrom("chain_heads").select("writer").orderBy("writer"));

/** Everyone who keeps a log in this store. */
export async function writersOf(executor: Executor): Promise<string[]> {
  return (await executor.rows(writers({}))).map((row) => row.writer);
}

/**
 * The next entries of all logs, oldest first by their writers' clocks. Entries of one writer stay in
 * the order of its log, also where its clock was set back.
 */
export async function nextOfLogs<Row extends LogPosition>(
  executor: Executor,
  of: {
    readonly after: LogCursor;
    readonly limit: number;
    readonly page: (values: { writer: string; after: number; limit: number }) => Query<Row>;
    readonly atMs: (row: Row) => number;
  },
): Promise<Row[]> {
  const { after, limit, page, atMs } = of;
  const logs = await Promise.all(
    (await writersOf(executor)).map((writer) =>
      executor.rows(page({ writer, after: after[writer] ?? 0, limit })),
    ),
  );
  const merged: Row[] = [];
  while (merged.length < limit) {
    const waiting = logs.filter((log) => log.length > 0);
    const oldest = waiting.toSorted((a, b) => headAtMs(a) - headAtMs(b))[0];
    const row = oldest?.shift();
    if (row === undefined) break;
    merged.push(row);
  }
  return merged;

  function headAtMs(log: readonly Row[]): number {
    const [head] = log;
    return head === undefined ? Infinity : atMs(head);
  }
}
