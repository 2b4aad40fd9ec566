import type { Protocol } from "./load.ts";
import { Wire } from "./wire.ts";

/** Appends to a list of each worker. `waitFor`: so many replicas have acknowledged it, too (WAIT). */
export function redis({
  password,
  waitFor = 0,
}: { password?: string; waitFor?: number } = {}): Protocol {
  return {
    connect: async (target, tls) => {
      const wire = await Wire.open(target);
      if (tls !== null) await wire.startTls(tls);
      if (password !== undefined) await command(wire, ["AUTH", password]);
      return wire;
    },
    call: async (wire, worker, sequence) => {
      await command(wire, ["RPUSH", `load-${worker}`, String(sequence)]);
      if (waitFor === 0) return;
      const replicas = await command(wire, ["WAIT", String(waitFor), "5000"]);
      if (Number(replicas) < waitFor) throw new Error(`only ${replicas} replicas have it`);
    },
    held: async (wire, worker) => {
      const count = Number(await command(wire, ["LLEN", `load-${worker}`]));
      wire.send(encoded(["LRANGE", `load-${worker}`, "0", "-1"]));
      await wire.readLine();
      const held = new Set<number>();
      for (let i = 0; i < count; i += 1) {
        await wire.readLine();
        held.add(Number(await wire.readLine()));
      }
      return held;
    },
  };
}

function encoded(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

/** An answer of one line: a status, a number or an error, which is thrown. */
async function command(wire: Wire, words: readonly string[]): Promise<string> {
  wire.send(encoded(words));
  const line = await wire.readLine();
  if (line.startsWith("-")) throw new Error(line);
  return line.slice(1);
}
