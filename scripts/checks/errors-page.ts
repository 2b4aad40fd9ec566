import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { textOf } from "./tree.ts";

interface Entry {
  exit: number;
  meaning: string;
}

const page = "docs/errors.md";

/** Where docs/errors.md and src/kit/error-codes.ts disagree, and exit statuses used twice. */
export async function errorsPageProblems(root: string): Promise<string[]> {
  const registry = await errorCodes(root);
  const text = existsSync(join(root, page)) ? textOf(root, page) : "";
  const problems = [...statusProblems(registry), ...differences(registry, rowsOf(text))];
  if (problems.length === 0 && text !== draw(registry))
    problems.push(`${page} is not as generated`);
  return problems.map((problem) => `${problem} (npm run check -- --write writes ${page})`);
}

/** Writes docs/errors.md from the registry. */
export async function writeErrorsPage(root: string): Promise<void> {
  writeFileSync(join(root, page), draw(await errorCodes(root)));
}

async function errorCodes(root: string): Promise<Map<string, Entry>> {
  const path = pathToFileURL(join(root, "src/kit/error-codes.ts")).href;
  const module = (await import(path)) as { errorCodes: Record<string, Entry> };
  return new Map(Object.entries(module.errorCodes));
}

function statusProblems(registry: Map<string, Entry>): string[] {
  const users = Map.groupBy(registry.keys(), (code) => registry.get(code)?.exit ?? 0);
  return [...users].flatMap(([exit, codes]) => {
    if (codes.length > 1) return [`${codes.join(" and ")} have the same exit status ${exit}`];
    // 0 is success, 1 any failure of the runtime, from 126 on statuses are the shell's.
    return exit >= 2 && exit <= 125 ? [] : [`${codes[0]}: ${exit} is not ours to use`];
  });
}

function differences(registry: Map<string, Entry>, rows: Map<string, Entry>): string[] {
  const codes = new Set([...registry.keys(), ...rows.keys()]);
  return [...codes].flatMap((code) => {
    const [ours, shown] = [registry.get(code), rows.get(code)];
    if (shown === undefined) return [`${code} is not in ${page}`];
    if (ours === undefined) return [`${code} is in ${page} and not in the registry`];
    if (ours.exit !== shown.exit)
      return [`${code} has exit status ${ours.exit}, ${page} says ${shown.exit}`];
    return ours.meaning === shown.meaning ? [] : [`${code} has another meaning in ${page}`];
  });
}

function rowsOf(text: string): Map<string, Entry> {
  const rows = text.matchAll(/^\| (\d+) \| (?:<a id="[^"]*"><\/a>)?`([^`]+)` \| (.*) \|$/gm);
  return new Map(
    [...rows].map(([, exit, code = "", meaning = ""]) => [code, { exit: Number(exit), meaning }]),
  );
}

function draw(registry: Map<string, Entry>): string {
  const rows = [...registry]
    .toSorted(([, a], [, b]) => a.exit - b.exit)
    .map(
      ([code, { exit, meaning }]) => `| ${exit} | <a id="${code}"></a>\`${code}\` | ${meaning} |`,
    );
  return `# Errors and exit statuses

A command that fails prints one line (what is wrong, where, what to do) and ends with the exit
status of its error code. \`--debug\` prints the rest. Exit status 0 is success, 1 a failure before
Gatehouse itself ran, 130 an interrupted command. The API, and a gateway that cannot forward a
request, answer with problem details (RFC 9457): \`code\` is one of these, and the \`type\`
\`/docs/errors#CODE\` is its row here.

Generated from \`src/kit/error-codes.ts\` by \`npm run check -- --write\`.

| exit | code | meaning |
|---:|---|---|
${rows.join("\n")}
`;
}
