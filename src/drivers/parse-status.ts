import type { MemberStatus } from "../domain/index.ts";
import { DomainError } from "../kit/index.ts";
import type { StatusDescription, StatusSource } from "./description.ts";

const step = String.raw`\.[A-Za-z_][\w-]*|\[\d+\]`;
const wholePath = new RegExp(`^\\$(?:${step})*$`);
const eachStep = new RegExp(step, "g");

/** What is wrong with a path into JSON, null if nothing is. */
export function jsonPathProblem(path: string): string | null {
  return wholePath.test(path) ? null : "must be a path, as $.members[0].state";
}

/**
 * Reads a server's answer as its driver says. Throws `invalid-input` where it has not the form that
 * the driver expects: a status that cannot be read is no status.
 */
export function parseStatus(answer: string, description: StatusDescription): MemberStatus {
  const { role, members, connected, synchronised } = description;
  return {
    role: role === undefined ? null : roleOf(textAt(answer, role.in), role),
    members: members === undefined ? null : numberAt(answer, members),
    connected: connected === undefined ? null : numberAt(answer, connected),
    synchronised:
      synchronised === undefined ? null : textAt(answer, synchronised.in) === synchronised.is,
  };
}

function roleOf(
  found: string,
  { active, standby }: { active: string; standby?: string },
): MemberStatus["role"] {
  if (found === active) return "active";
  return standby === undefined || found === standby ? "standby" : "unknown";
}

function textAt(answer: string, source: StatusSource): string {
  if ("match" in source) {
    const [whole, group] = new RegExp(source.match, "m").exec(answer) ?? [];
    const found = group ?? whole;
    if (found !== undefined) return found;
    throw unreadable(`nothing that matches ${source.match}`);
  }
  if ("count" in source) return String(answer.match(new RegExp(source.count, "gm"))?.length ?? 0);
  const found = jsonAt(answer, source.json);
  return Array.isArray(found) ? String(found.length) : String(found);
}

/** A number; of a list in JSON, how many entries it has. */
function numberAt(answer: string, source: StatusSource): number {
  const text = textAt(answer, source);
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw unreadable("no number where one is expected");
}

function jsonAt(answer: string, path: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(answer);
  } catch (cause) {
    throw unreadable("no JSON", cause);
  }
  for (const [each] of path.matchAll(eachStep)) {
    const name = each.startsWith("[") ? each.slice(1, -1) : each.slice(1);
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name))
      throw unreadable(`nothing at ${path}`);
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

function unreadable(problem: string, cause?: unknown): DomainError {
  return new DomainError(
    "invalid-input",
    `the server's status has ${problem}: compare its answer with status in the driver's description`,
    { cause },
  );
}
