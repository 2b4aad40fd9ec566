import type { Protocol } from "./load.ts";
import { Wire } from "./wire.ts";

/** Publishes messages, each of which has to come back by a subscription of the same client. */
export function nats(): Protocol {
  return {
    connect: async (target, tls, worker) => {
      const wire = await Wire.open(target);
      await wire.readLine();
      if (tls !== null) await wire.startTls(tls);
      const options = { verbose: false, pedantic: false, tls_required: tls !== null };
      wire.send(`CONNECT ${JSON.stringify(options)}\r\nSUB load.${worker} 1\r\nPING\r\n`);
      await lineThatBegins(wire, "PONG");
      return wire;
    },
    call: async (wire, worker, sequence) => {
      const text = String(sequence);
      wire.send(`PUB load.${worker} ${text.length}\r\n${text}\r\n`);
      await lineThatBegins(wire, "MSG ");
      const found = await wire.readLine();
      if (found !== text) throw new Error(`${found} came in place of ${text}`);
    },
  };
}

async function lineThatBegins(wire: Wire, start: string): Promise<void> {
  for (;;) {
    const line = await wire.readLine();
    if (line.startsWith(start)) return;
    if (line === "PING") wire.send("PONG\r\n");
    if (line.startsWith("-ERR")) throw new Error(line);
  }
}
