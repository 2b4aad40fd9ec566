import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root as repository } from "../ensure.mjs";

export interface Layer {
  /** No Node.js, no clock, no chance: these are arguments. */
  pure: boolean;
  /** Layers whose doors it may import, and further doors as `layer/file.ts`. */
  imports: string[];
  /** npm packages it may import. */
  packages: string[];
}

export interface LayerTable {
  layers: Record<string, Layer>;
  /** Paths, by their beginnings, that no module reachable from an entry may have. */
  unreachable: Record<string, string[]>;
}

/** The table of the tree at `root`, or ours where the tree has none of its own. */
export function layerTable(root: string): LayerTable {
  const own = join(root, "test/architecture/layers.json");
  const path = existsSync(own) ? own : join(repository, "test/architecture/layers.json");
  return JSON.parse(readFileSync(path, "utf8")) as LayerTable;
}
