import { parseArgs } from "node:util";

/** What to measure, and how long. */
export interface BenchOptions {
  readonly benches: readonly string[];
  /** Numbers of connections in the issuance bench. */
  readonly clients: readonly number[];
  readonly seconds: number;
  readonly peers: boolean;
  /** Numbers of instances in the rotation bench. */
  readonly instances: readonly number[];
  readonly instancesPerHost: number;
  /** Processes that the simulated hosts are spread over. */
  readonly agents: number;
  /** Given to the Admin Node Manager's process: `--cpu-prof`. */
  readonly nodeOptions: readonly string[];
  /** Write the figures into RESULTS.md. */
  readonly write: boolean;
}

/** Reads the arguments after `npm run bench --`. */
export function readBenchOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    allowNegative: true,
    options: {
      clients: { type: "string", default: "1,8,32" },
      seconds: { type: "string", default: "5" },
      peers: { type: "boolean", default: true },
      instances: { type: "string", default: "10,100,1000" },
      "instances-per-host": { type: "string", default: "20" },
      agents: { type: "string", default: "2" },
      "admin-node-option": { type: "string", multiple: true, default: [] },
      write: { type: "boolean", default: true },
    },
  });
  return {
    benches: positionals,
    clients: numbers(values.clients),
    seconds: Number(values.seconds),
    peers: values.peers,
    instances: numbers(values.instances),
    instancesPerHost: Number(values["instances-per-host"]),
    agents: Number(values.agents),
    nodeOptions: values["admin-node-option"],
    write: values.write,
  };
}

function numbers(text: string): number[] {
  return text.split(",").map(Number);
}
