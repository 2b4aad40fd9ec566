import { createServer } from "node:net";

/** Below the range from which systems choose ports for outgoing connections. */
const firstPort = 10_000;
const lastPort = 32_000;

/** Ports of 127.0.0.1 that nobody listens on, and that no outgoing connection will take. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let port = firstPort; found.length < count && port <= lastPort; port++)
    if (await isFree(port)) found.push(port);
  if (found.length < count) throw new Error(`there are no ${count} free ports`);
  return found;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
