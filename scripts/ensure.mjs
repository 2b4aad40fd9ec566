// Makes a checkout ready to run: node_modules as package-lock.json says, dist/ as src/ says.
// Runs on Node 20. Once the packages are installed it needs no network.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import { nodePath } from "../bin/node-version.mjs";

export { nodePath } from "../bin/node-version.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** Installs packages and builds where that is needed; throws one clear line where it fails. */
export function ensure() {
  ensurePackages();
  ensureBuild();
}

/** Runs `npm ci` unless the stamp in node_modules is the hash of package-lock.json. */
export function ensurePackages() {
  const stamp = `${root}/node_modules/.gatehouse-stamp`;
  const wanted = hash(readFileSync(`${root}/package-lock.json`));
  if (readIfThere(stamp) === wanted) return;
  process.stderr.write("installing packages (npm ci)\n");
  // 2 is our stderr: stdout belongs to the program that is started afterwards.
  const { status, error } = spawnSync(
    "npm",
    ["ci", "--no-fund", "--no-audit", "--loglevel=error"],
    {
      cwd: root,
      stdio: ["ignore", 2, 2],
    },
  );
  if (status !== 0) {
    throw new Error(
      `npm ci failed (${error ? error.message : `status ${status}`}): ` +
        "check that npm reaches its registry, then run it again",
    );
  }
  writeFileSync(stamp, wanted);
}

/** Compiles src/ to dist/ unless no source file was changed, added or removed since. */
export function ensureBuild() {
  const stamp = `${root}/dist/.sources`;
  const sources = filesBelow("src");
  const wanted = hash(
    [...sources, "tsconfig.json", "tsconfig.base.json"]
      .map((path) => `${path} ${statSync(`${root}/${path}`).mtimeMs}\n`)
      .join(""),
  );
  if (readIfThere(stamp) === wanted) return;
  process.stderr.write("building dist/ (tsc)\n");
  mkdirSync(`${root}/dist`, { recursive: true });
  removeOrphans(new Set(sources));
  const { status } = spawnSync(
    nodePath(),
    ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"],
    {
      cwd: root,
      stdio: ["ignore", 2, 2],
    },
  );
  if (status !== 0) throw new Error("the build failed: see the compiler's messages above");
  writeFileSync(stamp, wanted);
}

/**
 * Removes what was compiled from source files that are gone, and the compiler's notes with it
 * when its output was deleted, since it would not write those files again.
 * @param {Set<string>} sources
 */
function removeOrphans(sources) {
  const outputs = filesBelow("dist").filter((path) => /\.js(\.map)?$/.test(path));
  for (const path of outputs) {
    const source = path.replace(/^dist/, "src").replace(/\.js(\.map)?$/, ".ts");
    if (!sources.has(source)) rmSync(`${root}/${path}`);
  }
  const programs = [...sources].filter(
    (path) => path.endsWith(".ts") && !path.endsWith(".test.ts"),
  );
  const complete = programs.every((path) =>
    existsSync(`${root}/${path.replace(/^src/, "dist").replace(/ts$/, "js")}`),
  );
  if (!complete) rmSync(`${root}/dist/.tsbuildinfo`, { force: true });
}

/**
 * Paths, relative to the root, of all files below a folder of it, sorted.
 * @param {string} folder
 */
function filesBelow(folder) {
  if (!existsSync(`${root}/${folder}`)) return [];
  return readdirSync(`${root}/${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(root.length + 1))
    .sort();
}

/** @param {string} path */
function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** @param {string | Uint8Array} data */
function hash(data) {
  return createHash("sha256").update(data).digest("hex");
}
