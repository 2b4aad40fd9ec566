import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Two upstream HTTP servers in a process of their own; tells its parent their ports. */
const ports = await Promise.all(
  ["orders", "payments"].map(
    (name) =>
      new Promise<number>((resolve) => {
        const server = createServer((request, response) => {
          request.resume();
          response
            .writeHead(200, { "content-type": "application/json" })
            .end(JSON.stringify({ service: name, path: request.url }));
        });
        server.keepAliveTimeout = 60_000;
        server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
      }),
  ),
);
process.send?.({ ports });
process.once("disconnect", () => process.exit(0));
