import { filesOf } from "./tree.ts";

const sourceFolders = /^(src|test|scripts|bin|bench|web)\//;
const kebabCase = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;

/** Drawers that everybody throws things into: a file is named after what is in it. */
const drawers = /^(utils?|common|helpers?|misc|shared|lib)(\.|$)/;

/** Names of source files and folders that are not kebab-case or say nothing. */
export function fileNameProblems(root: string): string[] {
  return filesOf(root)
    .filter((path) => sourceFolders.test(path))
    .flatMap((path) =>
      path
        .split("/")
        .filter((part) => part !== "README.md" && part !== "RESULTS.md")
        .flatMap((part) => {
          if (drawers.test(part)) return [`${path}: "${part}" does not say what is in it`];
          return kebabCase.test(part) ? [] : [`${path}: "${part}" is not kebab-case`];
        }),
    );
}
