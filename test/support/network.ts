import { execFile, spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { randomInt } from "node:crypto";
import { promisify } from "node:util";
import { onEnd } from "./cleanup.ts";
import { runPrefix } from "./no-leftovers.ts";

const run = promisify(execFile);

/** A host of the network: a network namespace with one address. */
export interface NetworkHost {
  readonly name: string;
  readonly address: string;
  /** What a command line begins with to run on this host. */
  readonly exec: readonly string[];
}

/**
 * A private network: hosts in network namespaces of their own, joined by a bridge in one more. The
 * machine's own network gets one interface, by which this process is a host of it too. Needs root,
 * `ip` (iproute2) and `nft` (nftables).
 */
export class TestNetwork {
  /** All addresses of the network, `10.1.2.0/24`. */
  readonly subnet: string;
  readonly #prefix: string;
  readonly #tag: string;
  readonly #hosts = new Map<string, NetworkHost>();

  private constructor(prefix: string, tag: string, net: string) {
    this.#prefix = prefix;
    this.#tag = tag;
    this.subnet = `${net}.0/24`;
  }

  static async create(): Promise<TestNetwork> {
    if (process.getuid?.() !== 0) throw new Error("network namespaces need root");
    const tag = randomInt(2 ** 24)
      .toString(16)
      .padStart(6, "0");
    const net = `10.${randomInt(100, 250)}.${randomInt(1, 250)}`;
    const network = new TestNetwork(`${runPrefix()}${tag}-`, tag, net);
    onEnd(() => network.remove());
    await ip(["netns", "add", network.#bridge]);
    await ip(["-n", network.#bridge, "link", "add", "br0", "type", "bridge"]);
    await ip(["-n", network.#bridge, "link", "set", "br0", "up"]);
    await network.#plug(network.#ownInterface, 254);
    await ip(["addr", "add", `${net}.254/24`, "dev", network.#ownInterface]);
    await ip(["link", "set", network.#ownInterface, "up"]);
    return network;
  }

  get #bridge(): string {
    return `${this.#prefix}bridge`;
  }

  /** In the machine's own network: names have at most 15 characters there. */
  get #ownInterface(): string {
    return `gh${this.#tag}`;
  }

  /** A veth pair with one end in the bridge. */
  async #plug(name: string, number: number): Promise<void> {
    const port = `port${number}`;
    const pair = ["link", "add", name, "type", "veth", "peer", "name", port];
    await ip([...pair, "netns", this.#bridge]);
    await ip(["-n", this.#bridge, "link", "set", port, "master", "br0"]);
    await ip(["-n", this.#bridge, "link", "set", port, "up"]);
  }

  async addHost(name: string): Promise<NetworkHost> {
    const namespace = `${this.#prefix}${name}`;
    const number = this.#hosts.size + 1;
    const address = this.subnet.replace(/0\/24$/, String(number));
    const host = { name, address, exec: ["ip", "netns", "exec", namespace] };
    await ip(["netns", "add", namespace]);
    this.#hosts.set(name, host);
    const passing = `h${number}${this.#tag}`;
    await this.#plug(passing, number);
    await ip(["link", "set", passing, "netns", namespace, "name", "eth0"]);
    await ip(["-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0"]);
    await ip(["-n", namespace, "link", "set", "eth0", "up"]);
    await ip(["-n", namespace, "link", "set", "lo", "up"]);
    await this.#filter(name, [
      "add table inet cuts",
      "add set inet cuts from { type ipv4_addr; flags interval; }",
      "add chain inet cuts input { type filter hook input priority 0; }",
      "add rule inet cuts input iifname eth0 ip saddr @from drop",
      "add set inet cuts callers { type ipv4_addr; }",
      "add counter inet cuts calls",
      "add rule inet cuts input tcp flags & (syn | ack) == syn ip saddr @callers counter name calls drop",
    ]);
    return host;
  }

  host(name: string): NetworkHost {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`the network has no host ${name}`);
    return host;
  }

  #filter(name: string, commands: readonly string[]): Promise<unknown> {
    const [program = "", ...args] = this.host(name).exec;
    return run(program, [...args, "nft", commands.join("; ")]);
  }

  /** From now on nothing that `from` sends reaches `to`: silently, as a packet filter cuts. */
  async cutOneWay(from: string, to: string): Promise<void> {
    await this.#filter(to, [`add element inet cuts from { ${this.host(from).address} }`]);
  }

  /** From now on `from` opens no TCP connection to `to`, as in a DMZ; those that `to` opens go both ways. */
  async forbidCalls(from: string, to: string): Promise<void> {
    await this.#filter(to, [`add element inet cuts callers { ${this.host(from).address} }`]);
  }

  /** How many packets of forbidden calls have come to a host. */
  async forbiddenCalls(to: string): Promise<number> {
    const [program = "", ...args] = this.host(to).exec;
    const list = ["nft", "-j", "list", "counter", "inet", "cuts", "calls"];
    const { stdout } = await run(program, [...args, ...list]);
    const { nftables } = JSON.parse(stdout) as {
      nftables: readonly { counter?: { packets: number } }[];
    };
    return nftables.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
  }

  /** Cuts every one of `some` from every one of `others`, both ways. */
  async cut(some: readonly string[], others: readonly string[]): Promise<void> {
    for (const one of some)
      for (const other of others) {
        await this.cutOneWay(one, other);
        await this.cutOneWay(other, one);
      }
  }

  /** Cuts a host from everybody else, this process too. */
  async isolate(name: string): Promise<void> {
    await this.#filter(name, [`add element inet cuts from { ${this.subnet} }`]);
    for (const other of this.#hosts.keys()) if (other !== name) await this.cutOneWay(name, other);
  }

  /** Ends every cut. */
  async heal(): Promise<void> {
    for (const name of this.#hosts.keys()) await this.#filter(name, ["flush set inet cuts from"]);
  }

  /** Removes the namespaces; with them go their interfaces and filters. */
  async remove(): Promise<void> {
    const names = [...this.#hosts.keys()].map((name) => `${this.#prefix}${name}`);
    this.#hosts.clear();
    for (const name of [...names, this.#bridge])
      await ip(["netns", "del", name]).catch(() => undefined);
  }
}

async function ip(args: readonly string[]): Promise<void> {
  await run("ip", args);
}

/** Starts a program on a host; with `exec` empty, as any other child. */
export function spawnAt(
  exec: readonly string[],
  command: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const [program = "", ...args] = [...exec, ...command];
  return spawn(program, args, options);
}
