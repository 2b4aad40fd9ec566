// `npm run check`: everything that can be checked without running Gatehouse.
// --write redraws what is generated; --results <file> also writes the outcome as JSON.
import { nodePath } from "../bin/node-version.mjs";
import { run, script } from "../bin/run.mjs";
import { ensurePackages, root } from "./ensure.mjs";

await script(() => {
  ensurePackages();
  return run(nodePath(), [`${root}/scripts/checks/run-checks.ts`, ...process.argv.slice(2)]);
});
