import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tempFolder } from "./temp-folder.ts";

/** Refuses connections to some ports as a packet filter would, and writes down which were tried. */
const filter = `
const net = require("node:net");
const { appendFileSync } = require("node:fs");
const ports = new Set(process.env.TEST_FILTERED_PORTS.split(","));
const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (...args) {
  const [first] = args;
  const { port } = (Array.isArray(first) ? first[0] : first) ?? {};
  if (!ports.has(String(port))) return connect.apply(this, args);
  appendFileSync(process.env.TEST_FILTER_LOG, port + " of " + process.argv[1] + "\\n");
  const error = Object.assign(new Error("filtered"), { code: "EHOSTUNREACH" });
  process.nextTick(() => this.destroy(error));
  return this;
};`;

/** Processes that are started with `environment`, and their children, open no connection to `ports`. */
export class NoWayOut {
  readonly ports = new Set<number>();
  readonly #program: string;
  readonly #log: string;

  private constructor(folder: string) {
    this.#program = join(folder, "filter.cjs");
    this.#log = join(folder, "tried");
  }

  static async create(): Promise<NoWayOut> {
    const made = new NoWayOut(await tempFolder());
    await writeFile(made.#program, filter);
    await writeFile(made.#log, "");
    return made;
  }

  get environment(): Readonly<Record<string, string>> {
    return {
      NODE_OPTIONS: `--require ${this.#program}`,
      TEST_FILTERED_PORTS: [...this.ports].join(),
      TEST_FILTER_LOG: this.#log,
    };
  }

  /** The connections that were tried all the same. */
  async tried(): Promise<string[]> {
    return (await readFile(this.#log, "utf8")).split("\n").filter((line) => line !== "");
  }
}
