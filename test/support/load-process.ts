// Runs on a host of a test network: an upstream for its gateways, and callers of gateways.
import { createServer } from "node:http";
import {
  GatewayLoad,
  upstreamPort,
  type LoadMessage,
  type LoadOrder,
  type LoadReport,
} from "./gateway-load.ts";

const upstream = createServer((_request, response) => response.end("ok"));
upstream.keepAliveTimeout = 60_000;
let load: GatewayLoad | null = null;
let order: LoadOrder | null = null;

upstream.listen(upstreamPort, "127.0.0.1", () => process.send?.("ready"));

process.on("message", (message: LoadMessage) => {
  if (message === "report") {
    const report: LoadReport = (order?.targets ?? []).map((target) => ({
      target,
      result: load?.at(target) ?? { requests: 0, failures: [] },
    }));
    process.send?.(report);
  } else {
    order = message;
    load = new GatewayLoad(message);
  }
});
process.once("disconnect", () => process.exit());
