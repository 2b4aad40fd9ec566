import type { Static, TSchema } from "typebox";
import { Check, Errors } from "typebox/value";
import { DomainError } from "../kit/index.ts";

/** Problems named in one message: the first ones are enough to go on. */
const problemsMax = 5;

/**
 * `value` as what `schema` describes. `what` names it in the message of the `invalid-input` that is
 * thrown otherwise, which lists where it differs and never repeats a value.
 */
export function checkValue<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
  what: string,
): Static<Schema> {
  if (Check(schema, value)) return value as Static<Schema>;
  const problems = Errors(schema, value)
    .slice(0, problemsMax)
    .map((error) => `${error.instancePath || "/"} ${error.message}`);
  throw new DomainError(
    "invalid-input",
    `${what} does not have the required form: ${problems.join("; ")}`,
  );
}
