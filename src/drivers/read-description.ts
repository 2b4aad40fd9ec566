import { checkValue, readYaml } from "../contract/index.ts";
import { DomainError } from "../kit/index.ts";
import { descriptionMistakes } from "./description-mistakes.ts";
import {
  descriptionSchema,
  variableSchema,
  type Description,
  type Variable,
} from "./description.ts";

/** Mistakes named in one message. */
const mistakesMax = 5;

/**
 * Reads a driver's description in YAML 1.2. `where` names it in messages, as the path of its file.
 * Throws `invalid-input` that says the line (for YAML) or the field, what is wrong and what to do.
 */
export function readDescription(text: string, where: string): Description {
  return checkDescription(readYaml(text, where), where);
}

/** Checks a description that was read already, as one from the store. Throws as `readDescription`. */
export function checkDescription(value: unknown, where: string): Description {
  const description = checkValue(descriptionSchema, value, where) as Description;
  for (const [name, variable] of Object.entries(description.variables ?? {})) {
    if (!/^[A-Za-z]\w*$/.test(name)) throw refused(where, [`variables.${name} is not a name`]);
    checkValue<typeof variableSchema>(
      variableSchema,
      variable,
      `${where} variables.${name}`,
    ) satisfies Variable;
  }
  const mistakes = descriptionMistakes(description);
  if (mistakes.length > 0) throw refused(where, mistakes);
  return description;
}

function refused(where: string, mistakes: readonly string[]): DomainError {
  const text = mistakes.slice(0, mistakesMax).join("; ");
  return new DomainError("invalid-input", `${where} is refused: ${text}`);
}
