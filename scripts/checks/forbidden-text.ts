import { filesOf, lineAt, textOf } from "./tree.ts";

/** What may not be committed, and why. */
const forbidden: { pattern: RegExp; reason: string }[] = [
  {
    pattern: /(?<![\w.:/-])\/(?:home|Users|root|work|workspace|tmp\/[a-z]{2})\/[\w./-]+/g,
    reason: "a path of one machine",
  },
  {
    pattern: /\b(?:TODO|FIXME)\b(?!\(#\d+\))/g,
    reason: "left to do without an issue, as in (#12)",
  },
  {
    pattern: /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)[^"]*"/g,
    reason: "a package from one machine's registry",
  },
  { pattern: /^(?:<{7}|>{7}) .*$/gm, reason: "a merge conflict" },
];

/** Binary files, and the licence, which is not ours to edit. */
const skipped = /\.(png|jpg|ico|woff2|p12|pfx|der|db)$|^LICENSE$/;

/** Text that must not be in the repository. */
export function forbiddenTextProblems(root: string): string[] {
  return filesOf(root)
    .filter((path) => !skipped.test(path) && path !== "scripts/checks/forbidden-text.ts")
    .flatMap((path) => {
      const text = textOf(root, path);
      return forbidden.flatMap(({ pattern, reason }) =>
        [...text.matchAll(pattern)].map(
          (match) => `${path}:${lineAt(text, match.index)}: ${match[0]}: ${reason}`,
        ),
      );
    });
}
