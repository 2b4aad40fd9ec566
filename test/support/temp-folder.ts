import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { runPrefix } from "./no-leftovers.ts";

/** A new empty folder for the running test, removed with its content when the test ends. */
export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), runPrefix()));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
