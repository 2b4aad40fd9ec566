import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { type Import, importsOf } from "./imports.ts";
import { type Layer, type LayerTable, layerTable } from "./layer-table.ts";
import { codeOnly } from "./source-text.ts";
import { filesOf, lineAt, textOf } from "./tree.ts";

/** What a pure folder may not name, though the language has it. The rest does not compile there. */
const impure =
  /(?<![\w$.])(Date\.now|new Date(?=\(\s*\)|\s*[;,)])|Date(?=\(\))|Math\.random|globalThis|performance\.\w+|process\.(?:argv|cwd|env|exit|hrtime|nextTick|on|pid|stderr|stdin|stdout)|Buffer\.\w+|(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch)(?=\())/g;

/** Imports that the layer table forbids, and time, chance and Node.js in pure layers. */
export function layerProblems(root: string): string[] {
  const table = layerTable(root);
  return filesOf(root)
    .filter((path) => path.startsWith("src/") && path.endsWith(".ts"))
    .flatMap((path) => fileProblems(table, path, textOf(root, path)));
}

function fileProblems(table: LayerTable, path: string, text: string): string[] {
  const name = path.split("/")[1] ?? "";
  const layer = table.layers[name];
  if (layer === undefined) return [`${path}: ${name} is not a layer of the table`];
  const isTest = path.endsWith(".test.ts");
  const found = importsOf(text).flatMap((found) => {
    const problem = importProblem({ table, path, name, layer, isTest }, found);
    return problem === undefined ? [] : [`${path}:${found.line}: ${problem}`];
  });
  if (!layer.pure || isTest) return found;
  const named = [...codeOnly(text).matchAll(impure)].map(
    (match) => `${path}:${lineAt(text, match.index)}: ${match[1]} in the pure layer ${name}`,
  );
  return [...found, ...named];
}

interface Importer {
  table: LayerTable;
  path: string;
  name: string;
  layer: Layer;
  /** Tests may use any package, and the doors of any layer. */
  isTest: boolean;
}

function importProblem(importer: Importer, { specifier }: Import): string | undefined {
  const { name, layer, isTest } = importer;
  if (specifier.startsWith(".")) return neighbourProblem(importer, specifier);
  if (isTest) return undefined;
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith("node:")) return `${specifier}: write node:${specifier}`;
    return layer.pure ? `${specifier} in the pure layer ${name}` : undefined;
  }
  const parts = specifier.split("/");
  const packageName = parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  if (layer.packages.includes(packageName)) return undefined;
  return `the table does not let ${name} use the package ${packageName}`;
}

function neighbourProblem(importer: Importer, specifier: string): string | undefined {
  const { path, name, layer, isTest } = importer;
  const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
  if (/^src\/[^/]+\/main\.ts$/.test(target)) return `${target} is a process: nothing imports it`;
  if (!target.startsWith("src/")) {
    return isTest && target.startsWith("test/") ? undefined : `${target} is outside src`;
  }
  const [, layerOfTarget = "", ...rest] = target.split("/");
  if (layerOfTarget === name) return undefined;
  const door = `${layerOfTarget}/${rest.join("/")}`;
  if (layer.imports.includes(door)) return undefined;
  if (!isTest && !layer.imports.includes(layerOfTarget)) {
    return `${name} may not import ${layerOfTarget}`;
  }
  return rest.join("/") === "index.ts" ? undefined : `${target} is not a door: use index.ts`;
}
