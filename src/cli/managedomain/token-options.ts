import { resolve } from "node:path";
import { DomainError } from "../../kit/index.ts";
import type { GivenToken } from "../../admin/offline.ts";
import type { Terminal } from "../terminal.ts";
import type { Given } from "./command-line.ts";
import type { SigningChoice } from "./signing.ts";

const names = ["token_module", "token_label", "token_pin_file", "token_pin_exec"] as const;

/**
 * The token that is to have the keys of the CAs, as the options say; null: none. The PIN is asked for
 * where nothing gives it. Throws `usage`, and `not-supported` for what has no key of a CA here.
 */
export async function givenToken(
  terminal: Terminal,
  given: Given,
  { mode }: SigningChoice,
): Promise<GivenToken | null> {
  const [any] = names.filter((name) => given.has(name));
  if (any === undefined) return null;
  if (mode !== null && mode !== "generated")
    throw new DomainError(
      "not-supported",
      `--${any} goes with --sign_with_generated: the key of another CA is not made here`,
    );
  const passphrase = ["", "_file", "_exec"].find((end) => given.has(`domain_passphrase${end}`));
  if (passphrase !== undefined)
    throw new DomainError(
      "usage",
      `--domain_passphrase${passphrase} encrypts key files, and a token has none: its PIN protects the keys`,
    );
  const module = given.required("token_module", "initialize");
  const token = given.required("token_label", "initialize");
  const file = given.text("token_pin_file");
  const command = given.text("token_pin_exec");
  if (file !== undefined && command !== undefined)
    throw new DomainError("usage", "give --token_pin_file or --token_pin_exec: one of the two");
  const where = { module: resolve(module), token };
  if (file !== undefined) return { ...where, pin: null, pinFile: resolve(file) };
  if (command !== undefined) return { ...where, pin: null, pinExec: ["/bin/sh", "-c", command] };
  return { ...where, pin: await askPin(terminal, token) };
}

async function askPin({ prompts }: Terminal, token: string): Promise<string> {
  if (prompts !== null) return prompts.secret(`PIN of the token ${token}`);
  throw new DomainError(
    "usage",
    "nobody can be asked here for the PIN of the token: give --token_pin_file or --token_pin_exec",
  );
}
