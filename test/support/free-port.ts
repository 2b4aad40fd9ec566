import { freePorts } from "../../src/demo/free-ports.ts";

/** A port on which nobody listens at this moment, and that no connection is given as its own. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
