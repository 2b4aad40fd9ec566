// `npm start`: the demo, from a fresh clone. stdout belongs to the demo (with --json: JSON only).
import { nodePath } from "../bin/node-version.mjs";
import { run, script } from "../bin/run.mjs";
import { ensure, root } from "./ensure.mjs";

await script(() => {
  ensure();
  return run(nodePath(), [`${root}/dist/demo/main.js`, ...process.argv.slice(2)]);
});
