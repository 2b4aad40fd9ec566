import type { Protocol } from "./load.ts";
import { Wire } from "./wire.ts";

const protocolVersion = 196_608;
const sslRequestCode = 80_877_103;

/**
 * Inserts rows into the table `load(worker text, sequence int)`, which must exist. The server lets
 * this user in without a password (`trust`, or `cert`).
 */
export function postgresql({ user = "postgres", database = "postgres" } = {}): Protocol {
  return {
    connect: async (target, tls) => {
      const wire = await Wire.open(target);
      if (tls !== null) {
        wire.send(Buffer.concat([int32(8), int32(sslRequestCode)]));
        const answer = await wire.read((bytes) =>
          bytes.length < 1 ? null : { message: bytes.toString("latin1", 0, 1), length: 1 },
        );
        if (answer !== "S") throw new Error("the server does not speak TLS");
        await wire.startTls(tls);
      }
      const names = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
      wire.send(Buffer.concat([int32(8 + names.length), int32(protocolVersion), names]));
      await untilReady(wire);
      return wire;
    },
    call: async (wire, worker, sequence) => {
      await query(wire, `insert into load values ('${worker}', ${sequence})`);
    },
    held: async (wire, worker) => {
      const rows = await query(wire, `select sequence from load where worker = '${worker}'`);
      return new Set(rows.map(Number));
    },
  };
}

/** The first column of every row. */
function query(wire: Wire, sql: string): Promise<string[]> {
  const text = Buffer.from(`${sql}\0`);
  wire.send(Buffer.concat([Buffer.from("Q"), int32(4 + text.length), text]));
  return untilReady(wire);
}

async function untilReady(wire: Wire): Promise<string[]> {
  const rows: string[] = [];
  for (;;) {
    const { type, body } = await wire.read((bytes) => {
      const length = bytes.length < 5 ? Infinity : 1 + bytes.readInt32BE(1);
      if (bytes.length < length) return null;
      const message = { type: String.fromCharCode(bytes[0] ?? 0), body: bytes.subarray(5, length) };
      return { message, length };
    });
    if (type === "Z") return rows;
    // DataRow: how many columns, then each one's length and text.
    if (type === "D") rows.push(body.toString("utf8", 6, 6 + body.readInt32BE(2)));
    if (type === "E") throw new Error(body.toString("utf8").replaceAll("\0", " "));
    if (type === "R" && body.readInt32BE(0) !== 0)
      throw new Error("the server asks for a password");
  }
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
