import type { Rng } from "../kit/index.ts";

/** Octets of a serial number: 126 of its bits are random, and its length is always the same. */
const serialLength = 16;

/** A new serial number, positive, as the content of an INTEGER (RFC 5280 4.1.2.2). */
export function randomSerial(rng: Rng): Uint8Array {
  const serial = Uint8Array.from(rng.bytes(serialLength));
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}
