import type { LogCursor, LogPosition } from "./ports.ts";

/** Reads `nodemanager-1:12,nodemanager-7:3`; the empty text is the beginning of every log. */
export function parseLogCursor(text: string): LogCursor {
  const parts = text === "" ? [] : text.split(",");
  return Object.fromEntries(
    parts.map((part) => {
      const [writer = "", position] = part.split(":");
      return [writer, Number(position)];
    }),
  );
}

/** The text of the cursor that follows after `entries`, which were read from `after` on. */
export function formatNextCursor(after: LogCursor, entries: readonly LogPosition[]): string {
  const next = { ...after };
  for (const { writer, position } of entries) next[writer] = position;
  return Object.entries(next)
    .map(([writer, position]) => `${writer}:${position}`)
    .join();
}
