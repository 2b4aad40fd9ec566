import { filesOf, textOf } from "./tree.ts";

const linesMax = 10;

/** Layers without a README.md, or with one that is too long to be read. */
export function folderReadmeProblems(root: string): string[] {
  const files = filesOf(root);
  const layers = new Set(files.flatMap((path) => /^src\/[^/]+(?=\/)/.exec(path) ?? []));
  return [...layers].flatMap((layer) => {
    const path = `${layer}/README.md`;
    if (!files.includes(path)) return [`${path} does not exist`];
    const lines = textOf(root, path).trimEnd().split("\n").length;
    return lines > linesMax ? [`${path} has ${lines} lines, at most ${linesMax} are read`] : [];
  });
}
