import type { Protocol } from "./load.ts";
import { Wire } from "./wire.ts";

const [connack, publish, puback, suback] = [2, 3, 4, 9] as const;

/**
 * Publishes with QoS 1 (MQTT 3.1.1); the broker has to acknowledge each message, and to send it back
 * to a subscription of the same client.
 */
export function mqtt(): Protocol {
  return {
    connect: async (target, tls, worker) => {
      const wire = await Wire.open(target);
      if (tls !== null) await wire.startTls(tls);
      const clean = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60]);
      wire.send(packet(0x10, Buffer.concat([clean, text("")])));
      const { body } = await packetOf(wire, connack);
      if (body[1] !== 0) throw new Error(`the broker refuses the client: ${body[1]}`);
      wire.send(
        packet(0x82, Buffer.concat([Buffer.from([0, 1]), text(topic(worker)), Buffer.from([0])])),
      );
      await packetOf(wire, suback);
      return wire;
    },
    call: async (wire, worker, sequence) => {
      const id = Buffer.from([1, (sequence % 255) + 1]);
      const payload = Buffer.from(String(sequence));
      wire.send(packet(0x32, Buffer.concat([text(topic(worker)), id, payload])));
      const waited = new Set<number>([puback, publish]);
      while (waited.size > 0) waited.delete((await anyPacket(wire)).type);
    },
  };
}

function topic(worker: string): string {
  return `load/${worker}`;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** Every packet here is shorter than 128 bytes: its length is one byte. */
function packet(head: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([head, body.length]), body]);
}

function anyPacket(wire: Wire): Promise<{ type: number; body: Buffer }> {
  return wire.read((bytes) => {
    const length = 2 + (bytes[1] ?? Infinity);
    if (bytes.length < length) return null;
    return { message: { type: (bytes[0] ?? 0) >> 4, body: bytes.subarray(2, length) }, length };
  });
}

async function packetOf(wire: Wire, type: number): Promise<{ body: Buffer }> {
  for (;;) {
    const found = await anyPacket(wire);
    if (found.type === type) return found;
  }
}
