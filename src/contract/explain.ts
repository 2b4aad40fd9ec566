import type { TSchema } from "typebox";

/** The parts of JSON Schema that the contract uses. */
interface SchemaNode {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
}

/**
 * What is wrong with `value`, in plain words, one entry for each field: which one, and what is
 * allowed there. `what` names the value itself. Never repeats a value, which may be a secret.
 */
export function explain(schema: TSchema, value: unknown, what: string): string[] {
  return problems(schema as SchemaNode, value, { name: what, prefix: "" });
}

interface Place {
  /** How a message names this value, and what its fields' names begin with. */
  readonly name: string;
  readonly prefix: string;
}

function problems(schema: SchemaNode, value: unknown, place: Place): string[] {
  if (schema.anyOf !== undefined) return problemsOfChoice(schema.anyOf, value, place);
  if ("const" in schema)
    return value === schema.const ? [] : [`${place.name} must be ${JSON.stringify(schema.const)}`];
  switch (schema.type) {
    case "object":
      return isObject(value)
        ? problemsOfFields(schema, value, place)
        : [mustBe(place, "an object")];
    case "array":
      return Array.isArray(value)
        ? problemsOfItems(schema, value, place)
        : [mustBe(place, "a list")];
    case "string":
      return typeof value === "string"
        ? problemsOfText(schema, value, place)
        : [mustBe(place, "text")];
    case "integer":
    case "number":
      return problemsOfNumber(schema, value, place);
    case "boolean":
      return typeof value === "boolean" ? [] : [mustBe(place, "true or false")];
    case "null":
      return value === null ? [] : [mustBe(place, "null")];
    default:
      return [];
  }
}

function mustBe(place: Place, allowed: string): string {
  return `${place.name} must be ${allowed}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of several forms the one is explained that the value comes closest to. */
function problemsOfChoice(choices: readonly SchemaNode[], value: unknown, place: Place): string[] {
  const words = choices.map((choice) => choice.const);
  if (words.every((word) => typeof word === "string"))
    return words.includes(value as string) ? [] : [mustBe(place, `one of ${words.join(", ")}`)];
  const found = choices.map((choice) => problems(choice, value, place));
  if (found.some((of) => of.length === 0)) return [];
  const distances = choices.map((choice) => distance(choice, value));
  return found[distances.indexOf(Math.min(...distances))] ?? [];
}

/** How many fields are missing or too many for a form, a wrong constant above all; it is hardly meant to be null. */
function distance({ properties = {}, required = [], type }: SchemaNode, value: unknown): number {
  if (type === "null") return Infinity;
  if (!isObject(value)) return 0;
  const constants = Object.entries(properties).filter(
    ([name, field]) => "const" in field && value[name] !== field.const,
  );
  const missing = required.filter((name) => value[name] === undefined);
  const unknown = Object.keys(value).filter((name) => !(name in properties));
  return constants.length * 100 + missing.length + unknown.length;
}

function problemsOfFields(
  { properties = {}, required = [], additionalProperties }: SchemaNode,
  value: Readonly<Record<string, unknown>>,
  { prefix }: Place,
): string[] {
  const known = Object.keys(properties);
  const unknown = Object.keys(value).filter((name) => !known.includes(name));
  return [
    ...required
      .filter((name) => value[name] === undefined)
      .map((name) => `${prefix}${name} is missing`),
    ...known
      .filter((name) => value[name] !== undefined)
      .flatMap((name) =>
        problems(properties[name] ?? {}, value[name], {
          name: `${prefix}${name}`,
          prefix: `${prefix}${name}.`,
        }),
      ),
    ...(additionalProperties === false ? unknown : []).map(
      (name) => `${prefix}${name} is not known: there may be ${known.join(", ")}`,
    ),
  ];
}

function problemsOfItems(schema: SchemaNode, value: readonly unknown[], place: Place): string[] {
  const { minItems = 0, maxItems = Infinity, items = {} } = schema;
  if (value.length < minItems) return [`${place.name} must have at least ${entries(minItems)}`];
  if (value.length > maxItems) return [`${place.name} must have at most ${entries(maxItems)}`];
  if (schema.uniqueItems === true && new Set(value).size < value.length)
    return [`${place.name} must not have the same entry twice`];
  return value.flatMap((item, i) =>
    problems(items, item, { name: `${place.name}[${i}]`, prefix: `${place.name}[${i}].` }),
  );
}

function entries(count: number): string {
  return count === 1 ? "1 entry" : `${count} entries`;
}

function problemsOfText(schema: SchemaNode, value: string, place: Place): string[] {
  const { minLength = 0, maxLength = Infinity, pattern, description } = schema;
  if (value === "" && minLength > 0) return [`${place.name} must not be empty`];
  if (value.length < minLength) return [`${place.name} must have at least ${minLength} characters`];
  if (value.length > maxLength) return [`${place.name} must have at most ${maxLength} characters`];
  if (pattern === undefined || new RegExp(pattern, "u").test(value)) return [];
  return [mustBe(place, description ?? `text of the form ${pattern}`)];
}

function problemsOfNumber(schema: SchemaNode, value: unknown, place: Place): string[] {
  const { type, minimum, maximum } = schema;
  const isRight = type === "integer" ? Number.isSafeInteger(value) : Number.isFinite(value);
  const isInside =
    Number(value) >= (minimum ?? -Infinity) && Number(value) <= (maximum ?? Infinity);
  if (isRight && isInside) return [];
  const kind = type === "integer" ? "a whole number" : "a number";
  const from = minimum === undefined ? "" : ` from ${minimum}`;
  const to = maximum === undefined ? (from === "" ? "" : " on") : ` to ${maximum}`;
  return [mustBe(place, `${kind}${from}${to}${inDays(place.name, maximum)}`)];
}

const daySeconds = 86_400;

function inDays(name: string, maximum: number | undefined): string {
  const days = (maximum ?? 0) / daySeconds;
  return /seconds$/i.test(name) && days >= 1 && Number.isInteger(days) ? ` (${days} days)` : "";
}
