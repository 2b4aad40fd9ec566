import { readFile } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import type { Command, Signal } from "./description.ts";
import { runToSuccess } from "./run-command.ts";

/** Tells the server `name` by a command or a signal to do `what`. Throws where it cannot be told. */
export async function tell(how: Command | Signal, name: string, what: string): Promise<void> {
  if ("run" in how) await runToSuccess(how, `the ${what} of ${name}`);
  else process.kill(await pidIn(how.pidFile, name), how.signal);
}

async function pidIn(path: string, name: string): Promise<number> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new DomainError(
      "not-running",
      `${path} cannot be read: start ${name}, or check the path of its pidFile`,
      { cause },
    );
  });
  // 0 and 1 would be everybody, or the host's first process.
  if (/^[1-9]\d{0,9}\s*$/.test(text) && Number(text) > 1) return Number(text);
  throw new DomainError("not-running", `${path} holds no process number: start ${name}`);
}
