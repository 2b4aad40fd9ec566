// `npm run bench`: all benches, or those named (`npm run bench -- issuance`); see bench/README.md.
import { nodePath } from "../bin/node-version.mjs";
import { run, script } from "../bin/run.mjs";
import { ensure, root } from "./ensure.mjs";

await script(() => {
  ensure();
  return run(nodePath(), [`${root}/bench/main.ts`, ...process.argv.slice(2)]);
});
