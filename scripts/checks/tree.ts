import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

/** What is installed, generated or wrong on purpose. */
const ignored = new Set(["node_modules", "dist", "coverage", ".cache", ".git", "test/fixtures"]);

/** Paths of the files of the tree at `root`, relative to it, sorted. */
export function filesOf(root: string): string[] {
  const found: string[] = [];
  const visit = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      const name = relative(root, path);
      if (ignored.has(name) || ignored.has(entry.name)) continue;
      if (entry.isDirectory()) visit(path);
      else found.push(name);
    }
  };
  visit(root);
  return found.sort();
}

/** The text of one file of the tree. */
export function textOf(root: string, path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** The number, from 1, of the line that holds the character at `offset`. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
