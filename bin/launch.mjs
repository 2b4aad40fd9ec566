// Starts dist/cli/<name>.js on a Node.js that is new enough: this one, or the one npm installed.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { nodePath, satisfiesEngines } from "./node-version.mjs";
import { run, script } from "./run.mjs";

/** @param {"gatehouse" | "managedomain"} name */
export async function launch(name) {
  const program = fileURLToPath(new URL(`../dist/cli/${name}.js`, import.meta.url));
  if (!existsSync(program)) {
    process.stderr.write(`${name}: not built yet: run \`npm run build\` first\n`);
    process.exitCode = 1;
  } else if (satisfiesEngines()) {
    await import(program);
  } else {
    // Arguments may hold what the program hides from `ps` as soon as it has read it.
    const args = process.argv.slice(2);
    process.title = name;
    await script(() => run(nodePath(), [program, ...args]));
  }
}
