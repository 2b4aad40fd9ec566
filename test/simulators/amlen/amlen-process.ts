// One simulated Amlen server as a process: `node amlen-process.ts OPTIONS`, where OPTIONS is a JSON file of
// AmlenServerOptions. Prints "ready" once its admin endpoint answers; ends at SIGTERM.
import { readFileSync } from "node:fs";
import { AmlenServer, type AmlenServerOptions } from "./amlen-server.ts";

const [, , file] = process.argv;
if (file === undefined) throw new Error("usage: amlen-process.ts OPTIONS");
const server = new AmlenServer(JSON.parse(readFileSync(file, "utf8")) as AmlenServerOptions);
process.on("SIGTERM", () => {
  server.kill();
  process.exit(0);
});
await server.start();
console.log("ready");
