import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { root } from "../ensure.mjs";
import { errorsPageProblems, writeErrorsPage } from "./errors-page.ts";
import { fileNameProblems } from "./file-names.ts";
import { folderReadmeProblems } from "./folder-readmes.ts";
import { forbiddenTextProblems } from "./forbidden-text.ts";
import { layerGraphProblems, writeLayerGraph } from "./layer-graph.ts";
import { layerProblems } from "./layers.ts";
import { linkProblems } from "./links.ts";
import { reachabilityProblems } from "./reachability.ts";
import { sizeProblems } from "./sizes.ts";
import { deadCodeProblems, formatProblems, lintProblems, typeProblems } from "./tools.ts";

/** Every check by name: from the root of a tree to one line per problem. */
const checks: Record<string, (root: string) => string[] | Promise<string[]>> = {
  types: typeProblems,
  lint: lintProblems,
  format: formatProblems,
  "dead code": deadCodeProblems,
  layers: layerProblems,
  reachability: reachabilityProblems,
  "layer graph": layerGraphProblems,
  sizes: sizeProblems,
  "file names": fileNameProblems,
  "folder readmes": folderReadmeProblems,
  links: linkProblems,
  "error codes": errorsPageProblems,
  "forbidden text": forbiddenTextProblems,
};

const { values } = parseArgs({
  options: { write: { type: "boolean" }, results: { type: "string" } },
});
if (values.write) {
  writeLayerGraph(root);
  await writeErrorsPage(root);
}
const results: { name: string; problems: string[] }[] = [];
for (const [name, find] of Object.entries(checks)) {
  const start = performance.now();
  const problems = await find(root);
  results.push({ name, problems });
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const mark = problems.length === 0 ? "ok  " : "FAIL";
  process.stdout.write(`${mark} ${name} (${seconds} s)\n`);
  for (const problem of problems) process.stdout.write(`     ${problem}\n`);
}
if (values.results) writeFileSync(values.results, JSON.stringify(results));
process.exitCode = results.some(({ problems }) => problems.length > 0) ? 1 : 0;
