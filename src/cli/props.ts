import { stat } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import { readTextFileIfThere } from "./text-file.ts";

const names = [
  "username",
  "password_exec",
  "password_file",
  "anm_host",
  "anm_port",
  "fingerprint",
  "truststore_file",
] as const;

/** What `conf/managedomain.props` may say in place of options and answers. */
export type Props = Readonly<Partial<Record<(typeof names)[number], string>>>;

const writableByOthers = 0o022;

/**
 * Reads `conf/managedomain.props` of a home; none where there is none. Refuses a file that others
 * may write, since `password_exec` is run with this user's rights. Throws `invalid-input`.
 */
export async function readProps(path: string): Promise<Props> {
  const text = await readTextFileIfThere(path, "the settings file");
  if (text === null) return {};
  const { mode } = await stat(path);
  if ((mode & writableByOthers) !== 0)
    throw new DomainError(
      "invalid-input",
      `${path} can be written by others: run \`chmod 600 ${path}\``,
    );
  return parseProps(text, path);
}

/** Reads `name=value` lines; `#` and `!` begin a comment. All problems are named at once. */
export function parseProps(text: string, path: string): Props {
  const props: Partial<Record<(typeof names)[number], string>> = {};
  const problems: string[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*([#!]|$)/.test(line)) continue;
    const [, name = "", value] = /^\s*([A-Za-z_]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    const known = names.find((candidate) => candidate === name);
    if (value === undefined) problems.push(`line ${i + 1} is not name=value`);
    else if (name === "password")
      problems.push(`line ${i + 1}: write password_file= or password_exec= instead of a password`);
    else if (known === undefined) problems.push(`line ${i + 1}: ${name} is unknown`);
    else if (value !== "") props[known] = value;
  }
  if (problems.length === 0) return props;
  throw new DomainError("invalid-input", `${path}: ${problems.join("; ")}`);
}
