import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { root as repository } from "../ensure.mjs";

/** What the compiler says about the tree's projects. */
export async function typeProblems(
  root: string,
  projects: readonly string[] = ["tsconfig.json", "tsconfig.pure.json", "tsconfig.test.json"],
): Promise<string[]> {
  const found = new Set<string>();
  for (const project of projects) {
    const args = ["-p", project, "--noEmit", "--pretty", "false"];
    const { status, stdout } = await runTool(root, "typescript/bin/tsc", args);
    for (const line of lines(stdout)) found.add(line);
    if (status !== 0 && found.size === 0) found.add(`tsc -p ${project} ended with ${status}`);
  }
  return [...found];
}

/** What oxlint says, with type information. */
export async function lintProblems(root: string): Promise<string[]> {
  const config = join(repository, ".oxlintrc.json");
  const args = ["--type-aware", "--deny-warnings", "-c", config, "-f", "unix"];
  const problems = problemsOf(await runTool(root, "oxlint/bin/oxlint", args));
  return problems.filter((line) => !/^\d+ problems?$/.test(line));
}

/** Files that `oxfmt` would write differently. */
export async function formatProblems(root: string): Promise<string[]> {
  const config = join(repository, ".oxfmtrc.json");
  const result = await runTool(root, "oxfmt/bin/oxfmt", ["--list-different", "-c", config]);
  return problemsOf(result).map((path) => `${path}: npm run format writes it differently`);
}

/**
 * Files, exports and dependencies that nothing uses, and entries of knip.json's lists of
 * exceptions that are not needed any more.
 */
export async function deadCodeProblems(root: string): Promise<string[]> {
  const { status, stdout, stderr } = await runTool(root, "knip/bin/knip.js", ["--no-progress"]);
  const hints = lines(stderr).filter((line) => line.includes("Remove from"));
  if (status === 0) return hints.map(singleSpaced);
  let kind = "";
  const problems = lines(stdout).flatMap((line) => {
    const [, heading] = /^(.*) \(\d+\)$/.exec(line) ?? [];
    kind = heading ?? kind;
    return heading === undefined ? [`${kind}: ${singleSpaced(line)}`] : [];
  });
  return problems.length > 0 ? problems : [...lines(stderr), `knip ended with status ${status}`];
}

function singleSpaced(line: string): string {
  return line.trim().replace(/\s+/g, " ");
}

interface ToolResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program of node_modules, named by its path there, in the folder `root`. */
export async function runTool(
  root: string,
  program: string,
  args: readonly string[],
): Promise<ToolResult> {
  const path = join(repository, "node_modules", program);
  const child = spawn(process.execPath, [path, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [status, stdout, stderr] = await Promise.all([
    ended,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { status, stdout, stderr };
}

/** A failed tool's lines: none when it succeeded, at least one when it did not. */
function problemsOf({ status, stdout, stderr }: ToolResult): string[] {
  if (status === 0) return [];
  const said = lines(stdout);
  return said.length > 0 ? said : [...lines(stderr), `ended with status ${status}`];
}

function lines(said: string): string[] {
  return said.split("\n").filter((line) => line.trim() !== "");
}
