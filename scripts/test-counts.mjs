// Counting what the checks and vitest reported. Runs on Node 20.
import { existsSync, readFileSync } from "node:fs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * Checks that passed and failed, from the file that `check.mjs --results` writes. A run that
 * ended badly without a failed check counts as one failure.
 * @param {string} path
 * @param {number} status
 * @returns {Counts}
 */
export function countChecks(path, status) {
  /** @type {{ problems: string[] }[]} */
  const results = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : [];
  const failed = results.filter(({ problems }) => problems.length > 0).length;
  return atLeastOneFailure({ passed: results.length - failed, failed, skipped: 0 }, status);
}

/**
 * Tests by outcome, from vitest's JSON report. A file that failed without a failed test (it
 * could not be loaded, a hook threw) counts as one failure, so does a run that ended badly.
 * @param {string} path
 * @param {number} status
 * @returns {Counts}
 */
export function countTests(path, status) {
  /** @type {{ testResults: { status: string, assertionResults: { status: string }[] }[] }} */
  const report = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { testResults: [] };
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report.testResults) {
    const outcomes = file.assertionResults.map((test) => test.status);
    const failed = outcomes.filter((outcome) => outcome === "failed").length;
    const passed = outcomes.filter((outcome) => outcome === "passed").length;
    counts.passed += passed;
    counts.failed += file.status === "failed" ? Math.max(failed, 1) : failed;
    counts.skipped += outcomes.length - passed - failed;
  }
  return atLeastOneFailure(counts, status);
}

/**
 * @param {Counts} a
 * @param {Counts} b
 * @returns {Counts}
 */
export function sum(a, b) {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

/**
 * The line a test run ends with.
 * @param {Counts} counts
 */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * @param {Counts} counts
 * @param {number} status
 */
function atLeastOneFailure(counts, status) {
  return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}
