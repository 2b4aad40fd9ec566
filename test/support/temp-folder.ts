import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onEnd } from "./cleanup.ts";
import { runPrefix } from "./no-leftovers.ts";

/** A new empty folder for the running test, or for several (`makeLasting`), removed with its content at the end. */
export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), runPrefix()));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
