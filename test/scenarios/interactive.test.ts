import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { waitUntil } from "../support/wait-until.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");
const deadlineMs = 30_000;

/** A program at a pseudo-terminal of its own, and a person who types there. */
class Session {
  #shown = "";
  readonly #typed;
  readonly ended: Promise<number | null>;

  constructor(runs: ProgramRuns, command: string) {
    // util-linux's script gives the command a terminal; its own input and output stay pipes.
    const child = spawn("script", ["-qec", `${bin}/${command}`, "/dev/null"], {
      cwd: runs.folder,
      env: { ...process.env, HOME: runs.path("user"), TERM: "xterm" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdout.on("data", (chunk: Buffer) => (this.#shown += plain(chunk.toString())));
    this.#typed = child.stdin;
    this.ended = new Promise((resolve) => child.once("close", resolve));
  }

  /** Waits for what is shown, forgets it, and types. */
  async after(text: RegExp, typed: string): Promise<string> {
    await waitUntil(() => text.test(this.#shown), {
      deadlineMs,
      what: `${text} is shown at the terminal, after ${JSON.stringify(this.#shown.slice(-300))}`,
    });
    const shown = this.#shown;
    this.#shown = "";
    this.#typed.write(typed);
    return shown;
  }
}

/** Without what moves the cursor and sets colours. */
function plain(text: string): string {
  const escape = String.fromCharCode(27);
  return text.replaceAll(new RegExp(`${escape}\\[[0-9;?]*[A-Za-z]`, "g"), "");
}

test("the interpreter completes, runs and refuses commands, and the menu runs its options, at a terminal", async () => {
  const runs = await ProgramRuns.open();
  await runs.startDomain();
  const prompt = /> [^\n]*$/;

  const interpreter = new Session(runs, "managedomain --home one");
  await interpreter.after(prompt, "hel");
  await interpreter.after(/hel$/, "p delete_host\r");
  expect(await interpreter.after(/host <name>[^]*> [^\n]*$/, "print_top\t")).toContain(
    "delete_host",
  );
  await interpreter.after(/print_topology $/, "\r");
  expect(await interpreter.after(/anm1\.test \[host-1\][^]*> [^\n]*$/, "bogus\r")).toContain(
    "Groups:",
  );
  const ports = `instance_management_port ${await freePort()} instance_services_port ${await freePort()}`;
  await interpreter.after(
    /there is no command bogus[^]*> [^\n]*$/,
    `create_instance name GW1 group G ${ports} host \t`,
  );
  // The only host of the domain, by its name.
  await interpreter.after(/host anm1\.test $/, "\r");
  await interpreter.after(/Start it: gatehouse instance start instance-1[^]*> [^\n]*$/, "deploy\r");
  await interpreter.after(/deploy: archives[^]*> [^\n]*$/, "q\r");
  expect(await interpreter.ended).toBe(0);

  const menu = new Session(runs, "managedomain --menu --home one");
  await menu.after(/26\) Submit externally signed certificate[^]*Select option/, "13\r");
  await menu.after(/GW1 \[instance-1\][^]*Completed successfully\.[^]*Hit enter to continue/, "\r");
  await menu.after(/Select option/, "24\r");
  await menu.after(/Regenerate the CA key and certificate too/, "no\r");
  await menu.after(/Which processes/, "instance-1\r");
  const done = await menu.after(/Completed successfully\.[^]*Hit enter to continue/, "\r");
  expect(done).toMatch(/2 certificates replaced without a restart/);
  await menu.after(/Select option/, "7\r");
  await menu.after(/Name of the instance/, "GW9\r");
  await menu.after(/Name of its group/, "G\r");
  await menu.after(/managedomain: there is no instance GW9[^]*Hit enter to continue/, "\r");
  await menu.after(/Select option/, "q\r");
  expect(await menu.ended).toBe(0);
});
