import { DomainError } from "../kit/index.ts";
import { optionName, type ConnectionOptions } from "./connection-options.ts";
import type { Props } from "./props.ts";
import { readSecret, shellCommand } from "./secret-source.ts";
import type { Terminal } from "./terminal.ts";

const passwordLengthMin = 8;

export interface Login {
  readonly username: string;
  readonly password: string;
}

type Given = Pick<ConnectionOptions, "username" | "password" | "passwordFile" | "wordSeparator">;

/**
 * User name and password from options, else from the settings file, else from the person at the
 * terminal. Throws `unauthenticated` in one line that names what is missing.
 */
export async function findLogin(
  given: Given,
  props: Props,
  terminal: Terminal,
  { isNew = false } = {},
): Promise<Login> {
  const username = given.username ?? props.username;
  const password = await passwordWithoutAsking(given, props);
  if (terminal.prompts === null) refuseMissing({ username, password }, given);
  const who = isNew ? "Name of the first administrator" : "User name";
  const name = username ?? (await asked(terminal).text(who, "admin"));
  const secret =
    password ?? (isNew ? await askNew(terminal) : await asked(terminal).secret("Password"));
  return { username: name, password: isNew ? checkNewPassword(secret) : secret };
}

function refuseMissing(
  found: { username: string | undefined; password: string | null },
  given: Given,
): void {
  const missing: string[] = [];
  if (found.username === undefined)
    missing.push("the user name (--username, or username= in conf/managedomain.props)");
  if (found.password === null)
    missing.push(
      `the password (${optionName(given, "password", "file")}, or password_file= or password_exec= in conf/managedomain.props)`,
    );
  if (missing.length > 0)
    throw new DomainError(
      "unauthenticated",
      `nobody can be asked here, and ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} missing`,
    );
}

function asked(terminal: Terminal): NonNullable<Terminal["prompts"]> {
  if (terminal.prompts !== null) return terminal.prompts;
  throw new DomainError(
    "unauthenticated",
    "nobody can be asked here: give the user name and a password file",
  );
}

async function passwordWithoutAsking(given: Given, props: Props): Promise<string | null> {
  if (given.password !== undefined) return given.password;
  const file = given.passwordFile ?? props.password_file;
  if (file !== undefined) return readSecret({ file }, "password");
  const command = props.password_exec;
  return command === undefined ? null : readSecret({ exec: shellCommand(command) }, "password");
}

async function askNew(terminal: Terminal): Promise<string> {
  const prompts = asked(terminal);
  for (;;) {
    const first = await prompts.secret(`New password (at least ${passwordLengthMin} characters)`);
    if (first.length < passwordLengthMin)
      terminal.err(`it has ${first.length} characters: at least ${passwordLengthMin} are needed`);
    else if (first === (await prompts.secret("The same again"))) return first;
    else terminal.err("the two are not the same: once more");
  }
}

function checkNewPassword(password: string): string {
  if (password.length >= passwordLengthMin) return password;
  throw new DomainError(
    "invalid-input",
    `the new password has ${password.length} characters: at least ${passwordLengthMin} are needed`,
  );
}
