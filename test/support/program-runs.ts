import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { errorCodes, type ErrorCode } from "../../src/kit/index.ts";
import { isAlive, readMark } from "../../src/transport/index.ts";
import { freePort } from "./free-port.ts";
import { tempFolder } from "./temp-folder.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");

export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs our programs, built, from a folder of their own and with nobody at the terminal. Command
 * lines are written as at a shell; home folders and files in them are below the folder. Whatever
 * is started there ends with the test.
 */
export class ProgramRuns {
  readonly folder: string;
  readonly adminPort: number;
  /** Options of `--initialize` for the home `one`, whose administrator's password is in the file `password`. */
  readonly firstHost: string;
  readonly login = "--username admin --password_file password";
  /** Where the Admin Node Manager is, for who does not know it yet. */
  readonly anm: string;

  private constructor(folder: string, adminPort: number) {
    this.folder = folder;
    this.adminPort = adminPort;
    this.firstHost = `--home one --host anm1.test --address 127.0.0.1 --port ${adminPort} ${this.login}`;
    this.anm = `--anm_host 127.0.0.1 --anm_port ${adminPort}`;
  }

  static async open(): Promise<ProgramRuns> {
    const runs = new ProgramRuns(await tempFolder(), await freePort());
    onTestFinished(() => runs.#endProcesses());
    await runs.write("password", "correct horse battery\n");
    return runs;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(this.path(name), text, { mode: 0o600 });
  }

  run(line: string): Promise<Ended> {
    const [program = "", ...args] = (line.match(/'[^']*'|\S+/g) ?? []).map((word) =>
      word.replace(/^'(.*)'$/, "$1"),
    );
    const child = spawn(join(bin, program), args, {
      cwd: this.folder,
      env: { ...process.env, HOME: this.path("user") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    return new Promise((resolve) => child.once("close", (status) => resolve({ status, out, err })));
  }

  /** A command line that has to succeed; resolves with what it printed. */
  async done(line: string): Promise<string> {
    const { status, out, err } = await this.run(line);
    expect(`${status} ${err}`, line).toMatch(/^0 /);
    return out;
  }

  /** One that has to fail with one line on stderr and the documented exit status. */
  async refused(code: ErrorCode, line: string): Promise<void> {
    const { status, err } = await this.run(line);
    const [program] = line.split(" ");
    expect(`${status} ${err}`, line).toMatch(
      new RegExp(`^${errorCodes[code].exit} ${program}: [^\\n]+\\n$`),
    );
  }

  /** Options of `--add` for the home `name`. */
  otherHost(name: string, port: number): string {
    return `--home ${name} --host ${name}.test --address 127.0.0.1 --port ${port} ${this.anm}`;
  }

  /** Makes the domain of home `one` and starts it; resolves with the fingerprint that was printed. */
  async startDomain(): Promise<string> {
    const text = await this.done(`managedomain -i ${this.firstHost}`);
    await this.write(
      "one/conf/managedomain.props",
      `username=admin\npassword_file=${this.path("password")}\n`,
    );
    await this.done("gatehouse node start --home one");
    return /^ {2}([0-9a-f]{64})$/m.exec(text)?.[1] ?? "";
  }

  /** Prints a join token into a file. */
  async makeToken(file: string, options = ""): Promise<void> {
    await this.write(file, await this.done(`gatehouse token create --home one ${options}`));
  }

  /** Kills whatever runs on a home and removes it, as a machine that is lost. */
  async destroy(home: string): Promise<void> {
    await this.#endProcesses(home);
    await rm(this.path(home), { recursive: true });
  }

  async #endProcesses(home = "."): Promise<void> {
    const files = readdirSync(this.path(home), { recursive: true, encoding: "utf8" }).map((file) =>
      join(home, file),
    );
    // In this order: the first ones would start the others again.
    for (const kind of ["supervisor", "node", "admin", "instance"]) {
      for (const path of files.filter((each) => each.endsWith(`run/${kind}.json`))) {
        const mark = await readMark(this.path(path));
        if (mark !== null && (await isAlive(mark))) process.kill(mark.pid, "SIGKILL");
      }
    }
    for (const path of files.filter((each) => /members\/[^/]+\/run\.json$/.test(each))) {
      const mark = await readMark(this.path(path));
      // It leads the group of its workers.
      if (mark !== null && (await isAlive(mark))) process.kill(-mark.pid, "SIGKILL");
    }
  }
}
