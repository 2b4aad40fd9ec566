import { isIP } from "node:net";
import { AdminError } from "./admin-error.ts";

/** What a property may be. Null is only for those that say so. */
export type PropertyRule = (
  | { readonly type: "boolean" }
  | { readonly type: "string"; readonly max: number; readonly pattern?: RegExp }
  | { readonly type: "enum"; readonly values: readonly string[] }
  | { readonly type: "number"; readonly min: number; readonly max: number; readonly orZero?: true }
  | { readonly type: "ip" }
) & { readonly nullable?: true };

/** Throws `AdminError`: 0138 for a name without a rule, 0127 for a JSON type, 0112 for a value. */
export function checkProperties(
  rules: Readonly<Record<string, PropertyRule>>,
  properties: Readonly<Record<string, unknown>>,
): void {
  for (const name of Object.keys(properties)) {
    if (!Object.hasOwn(rules, name)) throw new AdminError(138, name);
  }
  for (const [name, value] of Object.entries(properties)) {
    const rule = rules[name];
    if (rule === undefined || (value === null && rule.nullable === true)) continue;
    if (typeof value !== jsonType(rule)) throw new AdminError(127, name);
    if (!isInRange(rule, value)) throw new AdminError(112, name);
  }
}

function jsonType({ type }: PropertyRule): "string" | "number" | "boolean" {
  return type === "enum" || type === "ip" ? "string" : type;
}

function isInRange(rule: PropertyRule, value: unknown): boolean {
  switch (rule.type) {
    case "boolean":
      return true;
    case "enum":
      return rule.values.includes(String(value));
    case "ip":
      return isIP(String(value)) !== 0;
    case "string":
      return String(value).length <= rule.max && (rule.pattern?.test(String(value)) ?? true);
    case "number": {
      const number = Number(value);
      if (!Number.isInteger(number)) return false;
      return (number >= rule.min && number <= rule.max) || (rule.orZero === true && number === 0);
    }
  }
}
