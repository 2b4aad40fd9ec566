// `npm test`: checks, then vitest; the last line of stdout is "N passed, N failed".
// With arguments (`npm test -- src/pki`) they go to vitest and the checks are left out.
// `--long` (`npm run test:long`) runs the long project only.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { nodePath } from "../bin/node-version.mjs";
import { run, script } from "../bin/run.mjs";
import { ensureDebianPackages } from "./debian-packages.mjs";
import { ensure, root } from "./ensure.mjs";
import { ensureTokenAddon } from "./token-addon.mjs";
import { closingLine, countChecks, countTests, sum } from "./test-counts.mjs";

const projects = ["unit", "integration", "sim", "scenarios"];

await script(async () => {
  const args = process.argv.slice(2);
  const long = args.includes("--long");
  const forwarded = args.filter((argument) => argument !== "--long");
  const ci = process.env["CI"] === "true";
  ensure();
  // One after the other: the addon is compiled by what the packages bring.
  const missing = ensureDebianPackages() + (ensureTokenAddon() ? 0 : 1);
  const folder = mkdtempSync(`${tmpdir()}/gatehouse-results-`);
  try {
    const counts = [{ passed: 0, failed: ci ? missing : 0, skipped: 0 }];
    if (!long && forwarded.length === 0) counts.push(await checks(`${folder}/checks.json`));
    counts.push(await tests(long ? ["long"] : projects, forwarded, `${folder}/tests.json`));
    const total = counts.reduce(sum);
    process.stdout.write(`\n${closingLine(total)}\n`);
    return total.failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** @param {string} results */
async function checks(results) {
  const status = await run(nodePath(), [`${root}/scripts/check.mjs`, "--results", results]);
  return countChecks(results, status);
}

/**
 * @param {string[]} names
 * @param {string[]} forwarded
 * @param {string} results
 */
async function tests(names, forwarded, results) {
  const chosen = forwarded.some((argument) => argument.startsWith("--project"))
    ? []
    : names.map((name) => `--project=${name}`);
  const vitest = `${root}/node_modules/vitest/vitest.mjs`;
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`];
  const status = await run(nodePath(), [vitest, "run", ...chosen, ...reporters, ...forwarded], {
    cwd: root,
  });
  return countTests(results, status);
}
