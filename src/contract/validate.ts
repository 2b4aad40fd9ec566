import type { Static, TSchema } from "typebox";
import { Check } from "typebox/value";
import { DomainError } from "../kit/index.ts";
import { explain } from "./explain.ts";

/** Problems named in one message: the first ones are enough to go on. */
const problemsMax = 5;

/**
 * `value` as what `schema` describes. `what` names it in the message of the `invalid-input` that is
 * thrown otherwise, which says where it differs and what is allowed, and never repeats a value.
 */
export function checkValue<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
  what: string,
): Static<Schema> {
  if (Check(schema, value)) return value as Static<Schema>;
  throw invalidValue(schema, value, what);
}

/** The error for a value that was found not to be what `schema` describes. */
export function invalidValue(schema: TSchema, value: unknown, what: string): DomainError {
  const problems = explain(schema, value, what).slice(0, problemsMax);
  const text = problems.length === 0 ? "it does not have the required form" : problems.join("; ");
  return new DomainError("invalid-input", `${what} is refused: ${text}`);
}
