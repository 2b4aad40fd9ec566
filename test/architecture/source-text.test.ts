import { describe, expect, test } from "vitest";
import { importsOf } from "../../scripts/checks/imports.ts";
import { codeOnly } from "../../scripts/checks/source-text.ts";

describe("codeOnly", () => {
  test.each([
    ["a comment", "a; // b", "a;     "],
    ["a block comment, lines kept", "a /* b\nc */ d", "a     \n     d"],
    ["a string with an escaped quote", String.raw`f("a\"b")`, `f("    ")`],
    ["a string that looks like a comment", `f("//") + g`, `f("  ") + g`],
    ["a regular expression with a slash in brackets", "x = /[/'] b/g;", "x = /      /g;"],
    ["nothing of a division", "a / b / c", "a / b / c"],
    ["a template, code in it kept", "`a ${b + `c ${d}`} e`", "`  ${b + `  ${d}`}  `"],
    ["a template with an object in it", "`${f({ a: 1 })} b`", "`${f({ a: 1 })}  `"],
  ])("blanks %s", (_, text, code) => {
    expect(codeOnly(text)).toBe(code);
  });

  test("ends where the text ends when a comment, string or template is left open", () => {
    expect(["/* a", "'a", "`a", "/a"].map((text) => codeOnly(text).length)).toEqual([4, 2, 2, 2]);
  });
});

describe("importsOf", () => {
  test("finds each form with its line, and marks those that vanish", () => {
    const text = [
      `import a from "./a.ts";`,
      `import type { B } from "./b.ts";`,
      `import { type C, d } from './c.ts';`,
      `export * as e from "./e.ts";`,
      `export type { F } from "./f.ts";`,
      `import "./g.ts";`,
      `const h = await import("./h.ts");`,
      `new Worker(new URL("./i.ts", import.meta.url));`,
      `import {`,
      `  j,`,
      `} from "./j.ts";`,
      `// import k from "./k.ts";`,
      `const l = 'import l from "./l.ts"'; new URL("./l", base);`,
    ].join("\n");
    const found = importsOf(text).toSorted((x, y) => x.line - y.line);
    expect(found.map(({ specifier, line }) => `${line} ${specifier}`)).toEqual(
      "1 ./a.ts,2 ./b.ts,3 ./c.ts,4 ./e.ts,5 ./f.ts,6 ./g.ts,7 ./h.ts,8 ./i.ts,9 ./j.ts".split(","),
    );
    const vanishing = found.filter(({ isTypeOnly }) => isTypeOnly);
    expect(vanishing.map(({ line }) => line)).toEqual([2, 5]);
  });
});
