import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { DomainError } from "../kit/index.ts";

/** Where Linux says from which ports it takes the local port of a connection. */
const rangeFile = "/proc/sys/net/ipv4/ip_local_port_range";
const lowest = 10_000;
const highest = 65_535;
/** RFC 6335, section 6; what every system but Linux takes, unless it is told otherwise. */
const dynamicPorts = { from: 49_152, to: highest };

interface PortRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Different ports that nobody listens on now, and that no connection is given as its local port
 * before they are used; of `candidates` where they are given. Throws `port-in-use` where there are too few.
 */
export async function freePorts(count: number, candidates?: readonly number[]): Promise<number[]> {
  const ports: number[] = [];
  for (const port of candidates ?? inSomeOrder(portsOutside(await ephemeralRange()))) {
    if (ports.length === count) break;
    if (await isFree(port)) ports.push(port);
  }
  if (ports.length === count) return ports;
  throw new DomainError(
    "port-in-use",
    `${count} free ports are needed, ${ports.length} were found: end what listens, or ask for fewer instances`,
  );
}

/** What the kernel gives connections; `text` is the file it says that in, null where there is none. */
export function rangeOf(text: string | null): PortRange {
  const [, from, to] = /^\s*([0-9]+)\s+([0-9]+)/.exec(text ?? "") ?? [];
  return from === undefined ? dynamicPorts : { from: Number(from), to: Number(to) };
}

/** All ports beside a range; where the range leaves none, all ports. */
export function portsOutside({ from, to }: PortRange): number[] {
  const all = Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i);
  const outside = all.filter((port) => port < from || port > to);
  return outside.length > 0 ? outside : all;
}

async function ephemeralRange(): Promise<PortRange> {
  return rangeOf(await readFile(rangeFile, "utf8").catch(() => null));
}

/** From a random place on, so that two who ask at the same time get different ones. */
function inSomeOrder(ports: readonly number[]): number[] {
  const at = Math.floor(Math.random() * ports.length);
  return [...ports.slice(at), ...ports.slice(0, at)];
}

/** Asked where the programs will listen: on every address. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)));
  });
}
