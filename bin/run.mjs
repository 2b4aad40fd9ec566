// Running a program in the foreground and ending as it ended. Runs on Node 20.
import { spawn } from "node:child_process";
import { constants } from "node:os";

const forwarded = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]);

/**
 * Runs `program` with our stdin, stdout and stderr, passes signals on to it, and resolves with
 * its exit status (128 + the signal's number when a signal ended it).
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<number>}
 */
export function run(program, args, options = {}) {
  const child = spawn(program, args, { stdio: "inherit", ...options });
  const forward = (/** @type {NodeJS.Signals} */ signal) => {
    // A terminal sends Ctrl-C to the child as well: it must not count as two.
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of forwarded) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => {
      for (const name of forwarded) process.off(name, forward);
      resolve(signal === null ? (status ?? 1) : 128 + constants.signals[signal]);
    });
  });
}

/**
 * The main function of a script: its result is the exit status, an error is one line.
 * @param {() => number | Promise<number>} main
 */
export async function script(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
