import { join } from "node:path";
import type { Description, FileEntry } from "./description.ts";

/** Where the server reads the first file of one of these kinds; undefined if it has none. */
export function liveFile(
  { folder, visible, files }: Description,
  ...kinds: readonly FileEntry["what"][]
): string | undefined {
  const path = files.find(({ what }) => kinds.includes(what))?.path;
  return path === undefined || visible === "swap" ? path : join(folder, "current", path);
}
