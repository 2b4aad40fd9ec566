import { codeOnly } from "./source-text.ts";
import { lineAt } from "./tree.ts";

/** One place where a file names another module. */
export interface Import {
  specifier: string;
  line: number;
  /** `import type` and `export type`, of which nothing is left at run time. */
  isTypeOnly: boolean;
}

// Written for code whose strings are blank: the specifier is read at the same offset of the text.
const forms = [
  /\b(?:import|export)\s*(?<type>type\b)?(?:(?!\b(?:import|export)\b)[\w$*\s{},])*\bfrom\s*["']/g,
  /\bimport\s*["']/g,
  /\bimport\s*\(\s*["']/g,
  /\bimport\.meta\.resolve\(\s*["']/g,
  /\bnew\s+URL\(\s*["'](?= *["']\s*,\s*import\.meta\.url)/g,
];

/** Every module that the source `text` names: imports, re-exports, workers' URLs. */
export function importsOf(text: string): Import[] {
  const code = codeOnly(text);
  return forms.flatMap((form) =>
    [...code.matchAll(form)].map((match) => {
      const start = match.index + match[0].length;
      const end = code.slice(start).search(/["']/) + start;
      return {
        specifier: text.slice(start, end),
        line: lineAt(text, match.index),
        isTypeOnly: match.groups?.["type"] !== undefined,
      };
    }),
  );
}
