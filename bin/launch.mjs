// Starts dist/cli/<name>.js on a Node.js that is new enough: this one, or the one npm installed.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { nodePath, satisfiesEngines } from "./node-version.mjs";
import { run, script } from "./run.mjs";

/** @param {"gatehouse" | "managedomain"} name */
export async function launch(name) {
  const program = fileURLToPath(new URL(`../dist/cli/${name}.js`, import.meta.url));
  const missing = [
    ...(hasPackages() ? [] : ["npm ci"]),
    ...(existsSync(program) ? [] : ["npm run build"]),
  ];
  if (missing.length > 0) {
    const folder = fileURLToPath(new URL("..", import.meta.url));
    process.stderr.write(
      `${name}: not installed yet: run \`${missing.join(" && ")}\` in ${folder} first\n`,
    );
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

/** One of the packages that both programs need stands for all. */
function hasPackages() {
  try {
    return existsSync(fileURLToPath(import.meta.resolve("commander")));
  } catch {
    return false;
  }
}
