/**
 * `text` of a TypeScript file with every comment and the inside of every string, template and
 * regular expression replaced by spaces, so that what is left is code at its old offsets. Code
 * within `${}` of a template stays.
 */
export function codeOnly(text: string): string {
  const out = text.split("");
  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  // Depth of braces at which the enclosing templates go on, innermost last.
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    const start = at;
    const char = text[at];
    if (text.startsWith("//", at)) {
      at = endOr(text, text.indexOf("\n", at));
      blank(start, at);
    } else if (text.startsWith("/*", at)) {
      at = endOr(text, text.indexOf("*/", at) + 2, 2);
      blank(start, at);
    } else if (char === '"' || char === "'") {
      at = endOfQuoted(text, at + 1, char);
      blank(start + 1, at - 1);
    } else if (char === "/" && startsExpression(out, at)) {
      at = endOfRegExp(text, at + 1);
      blank(start + 1, at - 1);
    } else if (char === "`" || (char === "}" && templates.at(-1) === depth)) {
      if (char === "}") templates.pop();
      at = endOfTemplatePart(text, at + 1);
      const opens = text.startsWith("${", at - 2);
      if (opens) templates.push(depth);
      blank(start + 1, at - (opens ? 2 : 1));
    } else {
      if (char === "{") depth++;
      if (char === "}") depth--;
      at++;
    }
  }
  return out.join("");
}

function endOr(text: string, end: number, smallest = 0): number {
  return end < smallest ? text.length : end;
}

/** Offset after the quote that ends the string which begins before `at`. */
function endOfQuoted(text: string, at: number, quote: string): number {
  while (at < text.length && text[at] !== quote && text[at] !== "\n") {
    at += text[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}

/** Offset after the slash that ends a regular expression; slashes in brackets do not. */
function endOfRegExp(text: string, at: number): number {
  let inBrackets = false;
  while (at < text.length && text[at] !== "\n" && (inBrackets || text[at] !== "/")) {
    if (text[at] === "[") inBrackets = true;
    if (text[at] === "]") inBrackets = false;
    at += text[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}

/** Offset after the backquote, or the dollar and brace, that ends this part of a template. */
function endOfTemplatePart(text: string, at: number): number {
  while (at < text.length && text[at] !== "`" && !text.startsWith("${", at)) {
    at += text[at] === "\\" ? 2 : 1;
  }
  return at + (text[at] === "$" ? 2 : 1);
}

/** True where a slash at `at` begins a regular expression: after it no value has just ended. */
function startsExpression(code: string[], at: number): boolean {
  const before = code
    .slice(Math.max(0, at - 200), at)
    .join("")
    .trimEnd();
  return /(^|[^\w$)\]}"'`]|\b(return|typeof|case|in|of|await|yield))$/.test(before);
}
