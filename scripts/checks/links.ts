import { existsSync } from "node:fs";
import { join, matchesGlob, posix } from "node:path";
import { filesOf, lineAt, textOf } from "./tree.ts";

/** Text in backquotes that is a path of ours: it begins with one of our folders. */
const ownPath = /^(?:src|test|docs|scripts|bin|bench|examples|blueprints|web|\.ci)\/[\w.@/*-]*$/;

/** Links of our pages that lead nowhere, and paths named in them that do not exist. */
export function linkProblems(root: string): string[] {
  return filesOf(root)
    .filter((path) => path.endsWith(".md"))
    .flatMap((page) => {
      const text = withoutFences(textOf(root, page));
      return [...brokenLinks(root, page, text), ...brokenPaths(root, page, text)];
    });
}

function brokenLinks(root: string, page: string, text: string): string[] {
  const links = text.matchAll(/\[[^[\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)|^\[[^\]]+\]:\s*(\S+)/gm);
  return [...links].flatMap((match) => {
    const link = match[1] ?? match[2] ?? "";
    if (/^[a-z]+:/.test(link)) return [];
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : posix.join(posix.dirname(page), path);
    const where = `${page}:${lineAt(text, match.index)}`;
    if (!existsSync(join(root, target))) return [`${where}: ${link} does not exist`];
    const [, name = ""] = /^\[`([A-Za-z]\w*)`$/.exec(match[0].split("](")[0] ?? "") ?? [];
    if (name !== "" && target.endsWith(".ts") && !hasWord(textOf(root, target), name))
      return [`${where}: ${name} is not in ${link}`];
    if (anchor === undefined || !target.endsWith(".md")) return [];
    return anchorsOf(textOf(root, target)).has(anchor)
      ? []
      : [`${where}: ${link}: no such heading`];
  });
}

function hasWord(text: string, word: string): boolean {
  return new RegExp(`\\b${word}\\b`).test(text);
}

function brokenPaths(root: string, page: string, text: string): string[] {
  return [...text.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].flatMap((match) => {
    const path = (match[1] ?? "").replace(/:\d+$/, "");
    if (!ownPath.test(path) || namesSomething(root, path)) return [];
    return [`${page}:${lineAt(text, match.index)}: ${path} does not exist`];
  });
}

function namesSomething(root: string, path: string): boolean {
  return path.includes("*")
    ? filesOf(root).some((file) => matchesGlob(file, path))
    : existsSync(join(root, path));
}

/** The anchors that GitHub gives the headings of a page, and those that the page sets itself. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id));
  for (const [, heading = ""] of withoutFences(text).matchAll(/^#{1,6}\s+(.+)$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const base = words
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-");
    let anchor = base;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${base}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The page with fenced blocks emptied, lines kept. */
function withoutFences(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, (block) => block.replace(/[^\n]/g, ""));
}
