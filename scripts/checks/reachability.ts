import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { importsOf } from "./imports.ts";
import { layerTable } from "./layer-table.ts";
import { textOf } from "./tree.ts";

/** Modules that would be loaded by a process which must not have them, each with the way there. */
export function reachabilityProblems(root: string): string[] {
  return Object.entries(layerTable(root).unreachable).flatMap(([entry, forbidden]) => {
    if (!existsSync(join(root, entry))) {
      const isStarted = existsSync(join(root, posix.dirname(entry)));
      return isStarted ? [`${entry}: the table names it and it does not exist`] : [];
    }
    return [...reachableFrom(root, entry)]
      .filter(([path]) => forbidden.some((beginning) => path.startsWith(beginning)))
      .map(([, way]) => `${entry} reaches what it must not have: ${way.join(" -> ")}`);
  });
}

/** Every module loaded with `entry`, and the shortest way to it. */
function reachableFrom(root: string, entry: string): Map<string, string[]> {
  const ways = new Map([[entry, [entry]]]);
  for (const [path, way] of ways) {
    for (const { specifier, isTypeOnly } of importsOf(textOf(root, path))) {
      if (isTypeOnly || !specifier.startsWith(".")) continue;
      const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
      if (!ways.has(target) && existsSync(join(root, target))) ways.set(target, [...way, target]);
    }
  }
  return ways;
}
