import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "./temp-folder.ts";

const root = join(import.meta.dirname, "..", "..");

function git(...args: string[]): string {
  const stdio = ["ignore", "pipe", "ignore"] as const;
  return execFileSync("git", ["-C", root, ...args], { encoding: "utf8", stdio: [...stdio] }).trim();
}

/** The last commit while the sources differ from it, else the one before it; null without history. */
function previousCommit(): string | null {
  try {
    const name = git("status", "--porcelain", "--", "src") === "" ? "HEAD~1" : "HEAD";
    return git("rev-parse", "--verify", `${name}^{commit}`);
  } catch {
    return null;
  }
}

/**
 * Builds the commit before this one and returns its `gatehouse`. In a checkout that has no such
 * commit, this build stands for it: two of its Admin Node Managers still meet on one schema.
 */
export async function buildPreviousCommit(): Promise<string> {
  const commit = previousCommit();
  process.stdout.write(`previous build: ${commit ?? "none, this one stands for it"}\n`);
  if (commit === null) return join(root, "bin", "gatehouse");
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
