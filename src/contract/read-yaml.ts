import { isScalar, LineCounter, parseDocument, visit } from "yaml";
import { DomainError } from "../kit/index.ts";

/**
 * The value of a document in YAML 1.2. `where` names it in messages, as the path of its file. Throws
 * `invalid-input` that says the line: for what is no YAML, and for aliases.
 */
export function readYaml(text: string, where: string): unknown {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, version: "1.2" });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lineCounter.linePos(problem.pos[0]);
    throw new DomainError(
      "invalid-input",
      `${where} is not YAML that can be read: line ${line}, column ${col}: ${problem.message.split("\n")[0]}`,
    );
  }
  visit(document, {
    Alias: (_, { range }) => {
      const { line } = lineCounter.linePos(range?.[0] ?? 0);
      throw new DomainError(
        "invalid-input",
        `${where} is refused: line ${line} has an alias: write the value itself`,
      );
    },
    // 0600 is octal to whoever writes a mode, and decimal to YAML 1.2.
    Scalar: (_, node) => {
      if (isScalar(node) && typeof node.value === "number" && /^0\d/.test(node.source ?? ""))
        node.value = node.source;
    },
  });
  return document.toJS();
}
