import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parsePackages } from "../../scripts/debian-packages.mjs";
import { closingLine, countChecks, countTests, sum } from "../../scripts/test-counts.mjs";
import { tempFolder } from "../support/temp-folder.ts";

async function fileWith(content: unknown): Promise<string> {
  const path = join(await tempFolder(), "results.json");
  writeFileSync(path, JSON.stringify(content));
  return path;
}

function outcomes(...statuses: string[]): { status: string }[] {
  return statuses.map((status) => ({ status }));
}

describe("countTests", () => {
  test("counts tests by outcome, and a file that could not be run as one failure", async () => {
    const path = await fileWith({
      testResults: [
        { status: "passed", assertionResults: outcomes("passed", "passed", "skipped", "todo") },
        { status: "failed", assertionResults: outcomes("failed", "failed", "passed") },
        { status: "failed", assertionResults: [] },
      ],
    });
    expect(countTests(path, 1)).toEqual({ passed: 3, failed: 3, skipped: 2 });
  });

  test("counts a failure when the run ended badly though every test passed", async () => {
    const path = await fileWith({
      testResults: [{ status: "passed", assertionResults: outcomes("passed") }],
    });
    expect(countTests(path, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  test("counts a failure when there is no report", () => {
    expect(countTests("/nonexistent", 137)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe("countChecks", () => {
  test("counts checks with problems as failed", async () => {
    const path = await fileWith([{ problems: [] }, { problems: ["a", "b"] }, { problems: [] }]);
    expect(countChecks(path, 1)).toEqual({ passed: 2, failed: 1, skipped: 0 });
  });

  test("counts a failure when the checks could not be run", () => {
    expect(countChecks("/nonexistent", 1)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe("closingLine", () => {
  test("names skipped tests only when there are any", () => {
    const counts = { passed: 12, failed: 0, skipped: 0 };
    expect(closingLine(counts)).toBe("12 passed, 0 failed");
    expect(closingLine(sum(counts, { passed: 1, failed: 2, skipped: 3 }))).toBe(
      "13 passed, 2 failed, 3 skipped",
    );
  });
});

describe("parsePackages", () => {
  test("reads name, program and use, and leaves comments out", () => {
    expect(parsePackages("# package program use\n\nopenssl  openssl   the oracle tests\n")).toEqual(
      [{ name: "openssl", program: "openssl", use: "the oracle tests" }],
    );
  });
});
