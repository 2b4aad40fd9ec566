import { existsSync } from "node:fs";
import { join } from "node:path";
import { root as repository } from "../ensure.mjs";
import { runTool } from "./tools.ts";
import { filesOf, textOf } from "./tree.ts";

const fileLinesMax = 500;
const functionLinesMax = 60;
const exceptionsPath = "test/architecture/size-exceptions.json";

/**
 * Files over 500 and functions over 60 lines. What test/architecture/size-exceptions.json lists
 * may have the size given there, which has to be lowered as the excess shrinks.
 */
export async function sizeProblems(root: string): Promise<string[]> {
  const path = join(root, exceptionsPath);
  const allowed = existsSync(path)
    ? (JSON.parse(textOf(root, exceptionsPath)) as Record<string, number>)
    : {};
  const sizes = new Map([...fileSizes(root), ...(await functionSizes(root))]);
  const tooLarge = [...sizes].flatMap(([what, lines]) => {
    const limit = allowed[what];
    if (limit === undefined) return [`${what} has ${lines} lines: divide it`];
    if (lines > limit) return [`${what} grew from ${limit} to ${lines} lines`];
    return lines < limit ? [`${what} shrank: lower ${limit} to ${lines} in ${exceptionsPath}`] : [];
  });
  const stale = Object.keys(allowed)
    .filter((what) => !sizes.has(what))
    .map((what) => `${what} is no longer too large: remove it from ${exceptionsPath}`);
  return [...tooLarge, ...stale];
}

function fileSizes(root: string): [string, number][] {
  return filesOf(root)
    .filter((path) => /\.(ts|tsx|mjs|css)$/.test(path))
    .map((path): [string, number] => [path, textOf(root, path).trimEnd().split("\n").length])
    .filter(([, lines]) => lines > fileLinesMax);
}

/** Functions over the limit, outside tests, as `path#name`. */
async function functionSizes(root: string): Promise<[string, number][]> {
  const config = join(repository, "scripts/checks/function-size.oxlintrc.json");
  const folders = ["src", "scripts", "bin", "bench"].filter((name) => existsSync(join(root, name)));
  const { stdout } = await runTool(root, "oxlint/bin/oxlint", [
    "-c",
    config,
    "-f",
    "json",
    ...folders,
  ]);
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: Diagnostic[] };
  const outsideTests = diagnostics.filter(({ filename }) => !filename.endsWith(".test.ts"));
  return outsideTests.map(({ filename, message, labels }) => {
    const [, name] = /`([^`]+)`/.exec(message) ?? [];
    const [, lines] = /\((\d+)\)/.exec(message) ?? [];
    return [
      `${filename}#${name ?? `line ${labels[0]?.span.line}`}`,
      Number(lines ?? functionLinesMax),
    ];
  });
}

interface Diagnostic {
  filename: string;
  message: string;
  labels: { span: { line: number } }[];
}
