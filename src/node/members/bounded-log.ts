import { copyFile, stat, truncate } from "node:fs/promises";

/** A log is kept to about twice this: what is there, and what was there before. */
const logBytesMax = 16 * 1024 * 1024;

/**
 * Moves a log that has become too long to `<path>.1` and empties it. The process that writes it has it
 * open for appending: it goes on in the same file.
 */
export async function boundLog(path: string, bytesMax = logBytesMax): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || found.size <= bytesMax) return;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
}
