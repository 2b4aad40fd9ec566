import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "./temp-folder.ts";

const root = join(import.meta.dirname, "..", "..");

function git(...args: string[]): string {
  return execFileSync("git", ["-C", root, ...args], { encoding: "utf8" }).trim();
}

/**
 * Builds the commit before this one: the last commit while the sources differ from it, else the one
 * before it. Returns its `gatehouse`. Needs the repository with at least that much of its history.
 */
export async function buildPreviousCommit(): Promise<string> {
  const commit = git("status", "--porcelain", "--", "src") === "" ? "HEAD~1" : "HEAD";
  const folder = join(await tempFolder(), "previous");
  mkdirSync(folder);
  const archive = join(folder, "previous.tar");
  git("archive", "--output", archive, commit);
  execFileSync("tar", ["-x", "-f", archive, "-C", folder]);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [compiler, "-p", "tsconfig.json"], { cwd: folder });
  return join(folder, "bin", "gatehouse");
}
