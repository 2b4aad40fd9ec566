import { readFileSync, writeFileSync } from "node:fs";
import { describeMachine } from "./machine.ts";

const file = new URL("RESULTS.md", import.meta.url);

/** Rows as a Markdown table; the first row's keys are the heads. */
export function tableOf(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const heads = Object.keys(rows[0] ?? {});
  const cells = [heads, ...rows.map((row) => heads.map((head) => String(row[head] ?? "")))];
  const widths = heads.map((_, i) => Math.max(3, ...cells.map((row) => row[i]?.length ?? 0)));
  const lines = cells.map(
    (row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`,
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}

/** Begins a block of results, before anything is measured: the load average is that of now. */
export function beginBlock(command: string): string {
  return [
    `Command: \`${command}\``,
    `Date: ${new Date().toISOString()}`,
    `Machine: ${describeMachine()}`,
  ].join("  \n");
}

/** Replaces a bench's block in RESULTS.md; the text around the blocks is written by people. */
export function writeBlock(name: string, block: string): void {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const text = readFileSync(file, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`bench/RESULTS.md has no place for ${name}`);
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${block}\n\n${text.slice(to)}`);
}
