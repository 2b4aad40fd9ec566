import { DomainError } from "../kit/index.ts";
import type { Description, Variable } from "./description.ts";

const placeholder = /\{\{([A-Za-z]\w*)\}\}/g;

interface VariableForm {
  readonly pattern: RegExp;
  readonly text: string;
}

/** None may begin with a dash, so that a value is never taken for an option. */
const forms: Readonly<Record<Variable["type"], VariableForm>> = {
  text: { pattern: /^[^-\p{Cc}][^\p{Cc}]*$/u, text: "one line that does not begin with a dash" },
  name: { pattern: /^[A-Za-z0-9_][\w.-]*$/, text: "letters, digits, dots, dashes, underscores" },
  path: {
    pattern: /^\/(?!.*(?:^|\/)\.\.(?:\/|$))[^\p{Cc}]*$/u,
    text: "an absolute path without ..",
  },
  host: { pattern: /^[A-Za-z0-9:][\w.:-]*$/, text: "a host name or an IP address" },
  port: { pattern: /^(?!0)\d{1,5}$/, text: "a port from 1 to 65535" },
};
const portMax = 65_535;

/** What is wrong with `value` for a variable of this type, null if nothing is. */
export function valueProblem({ type }: Variable, value: string | number): string | null {
  const { pattern, text } = forms[type];
  const isRight = pattern.test(String(value)) && (type !== "port" || Number(value) <= portMax);
  return isRight ? null : `must be ${text}`;
}

/** The names of the variables in `value`, at any depth. */
export function variablesIn(value: unknown): Set<string> {
  const found = new Set<string>();
  replaceText(value, (text) => {
    for (const [, name = ""] of text.matchAll(placeholder)) found.add(name);
    return text;
  });
  return found;
}

/**
 * Every variable of a description by name, defaults filled in. Throws `invalid-input`, in which
 * `whose` says who they are for, for a value that is missing, not known or not of its type.
 */
export function resolveValues(
  { name: driver, variables = {} }: Pick<Description, "name" | "variables">,
  given: Readonly<Record<string, string | number>>,
  whose = `the driver ${driver}`,
): Record<string, string> {
  const all: Record<string, string> = {};
  const problems = Object.keys(given)
    .filter((name) => !Object.hasOwn(variables, name))
    .map((name) => `${name} is not known: there may be ${Object.keys(variables).join(", ")}`);
  for (const [name, variable] of Object.entries(variables)) {
    const value = given[name] ?? variable.default;
    const problem = value === undefined ? "is missing" : valueProblem(variable, value);
    if (problem !== null) problems.push(`${name} ${problem}`);
    all[name] = String(value);
  }
  if (problems.length > 0)
    throw new DomainError(
      "invalid-input",
      `the variables for ${whose} are refused: ${problems.join("; ")}`,
    );
  return all;
}

/** A description for one member: every variable replaced by its value. Throws as `resolveValues`. */
export function resolveDescription(
  description: Description,
  given: Readonly<Record<string, string | number>>,
): Description {
  const values = resolveValues(description, given);
  const { variables: _, ...rest } = description;
  return replaceText(rest, (text) =>
    text.replace(placeholder, (_, name: string) => values[name] ?? ""),
  ) as Description;
}

function replaceText(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === "string") return replace(value);
  if (Array.isArray(value)) return value.map((each) => replaceText(each, replace));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, replaceText(each, replace)]),
  );
}
