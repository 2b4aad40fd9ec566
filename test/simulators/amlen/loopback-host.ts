/** The addresses of one simulated host: for administration, and one for each link of a pair. */
export interface LoopbackHost {
  readonly admin: string;
  readonly discovery: string;
  readonly replication: string;
}

let hosts = 0;

/**
 * A host of its own in 127.0.0.0/8, all of which is loopback on Linux: every member has Amlen's own ports
 * there, and two test processes never meet.
 */
export function loopbackHost(): LoopbackHost {
  const last = hosts * 3 + 1;
  hosts += 1;
  if (last + 2 > 255) throw new Error("a test process can have 84 simulated hosts");
  const network = `127.${1 + ((process.pid >> 8) % 254)}.${process.pid % 256}`;
  const address = (offset: number): string => `${network}.${last + offset}`;
  return { admin: address(0), discovery: address(1), replication: address(2) };
}
