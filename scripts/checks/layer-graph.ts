import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LayerTable, layerTable } from "./layer-table.ts";
import { textOf } from "./tree.ts";

const begin = "<!-- layers:begin -->";
const end = "<!-- layers:end -->";
const page = "ARCHITECTURE.md";

/** Whether the graph in ARCHITECTURE.md is the layer table, drawn. */
export function layerGraphProblems(root: string): string[] {
  if (!existsSync(join(root, page))) return [`${page} does not exist`];
  const text = textOf(root, page);
  if (!text.includes(begin) || !text.includes(end)) return [`${page} lacks ${begin} and ${end}`];
  if (text === withGraph(text, layerTable(root))) return [];
  return [`${page}: the graph is not the table's: npm run check -- --write redraws it`];
}

/** Draws the graph again. */
export function writeLayerGraph(root: string): void {
  writeFileSync(join(root, page), withGraph(textOf(root, page), layerTable(root)));
}

function withGraph(text: string, table: LayerTable): string {
  const from = text.indexOf(begin) + begin.length;
  return `${text.slice(0, from)}\n${draw(table)}\n${text.slice(text.indexOf(end))}`;
}

function draw({ layers }: LayerTable): string {
  const names = Object.keys(layers);
  const group = (title: string, pure: boolean) => [
    `  subgraph ${title}`,
    `    ${names.filter((name) => layers[name]?.pure === pure).join("; ")}`,
    "  end",
  ];
  const arrows = Object.entries(layers)
    .filter(([, { imports }]) => imports.length > 0)
    .map(([name, { imports }]) => `  ${name} --> ${imports.map(node).join(" & ")}`);
  return [
    "```mermaid",
    "flowchart TB",
    ...group("effects", false),
    ...group("pure", true),
    ...arrows,
    "```",
  ].join("\n");
}

/** A further door is a node of its own, since its name is no identifier. */
function node(target: string): string {
  return target.includes("/") ? `${target.replace(/\W/g, "_")}["${target}"]` : target;
}
