import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { DomainError, type ErrorCode } from "../kit/index.ts";

const execMsMax = 30_000;
const groupAndOthers = 0o077;

/** Where the settings of a home say that a secret comes from. */
export interface ConfiguredSecret {
  /** File whose first line it is, readable by its owner only. */
  readonly file?: string | undefined;
  /** Program and arguments; the first line that it prints is the secret. */
  readonly exec?: readonly string[] | undefined;
}

/**
 * Reads a secret that the settings of a home name; undefined where they name none. `what` is it, as
 * `password`. Throws `not-found`, `invalid-input` for a file that is empty or that
 * others can read, and `execFailure` where the program fails.
 */
export async function readConfiguredSecret(
  { file, exec }: ConfiguredSecret,
  what: string,
  execFailure: ErrorCode,
): Promise<string | undefined> {
  if (file !== undefined) return secretInFile(file, what);
  if (exec === undefined) return undefined;
  const [program = "", ...args] = exec;
  const { stdout } = await promisify(execFile)(program, args, { timeout: execMsMax }).catch(
    (cause: unknown) => {
      // The cause would repeat what the program wrote, which may be the secret.
      const status = (cause as { code?: unknown }).code;
      throw new DomainError(
        execFailure,
        `the program ${program}, which gives the ${what}, failed with ${String(status ?? "no status")}: run it by hand`,
      );
    },
  );
  return stdout.split(/\r?\n/)[0];
}

async function secretInFile(path: string, what: string): Promise<string> {
  try {
    const found = await stat(path);
    if (found.isDirectory())
      throw new DomainError(
        "invalid-input",
        `${path} is a folder: name the file in it that holds the ${what}`,
      );
    if ((found.mode & groupAndOthers) !== 0)
      throw new DomainError(
        "invalid-input",
        `the ${what} file ${path} can be read by others: run \`chmod 600 ${path}\``,
      );
    const [secret = ""] = (await readFile(path, "utf8")).split(/\r?\n/);
    if (secret !== "") return secret;
    throw new DomainError(
      "invalid-input",
      `the ${what} file ${path} is empty: write the ${what} into its first line`,
    );
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    throw new DomainError("not-found", `the ${what} file ${path} cannot be read: check the path`, {
      cause,
    });
  }
}
