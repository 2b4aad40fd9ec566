import { fork, type ChildProcess } from "node:child_process";
import type { BenchDomain } from "../domain/bench-domain.ts";
import { trafficName, type Fleet } from "./fleet.ts";
import type { ProberCounts, ProberOrder } from "./prober-process.ts";

const handshakesPerSecond = 50;
const partyReportsWithinMs = 3_000;

/** Starts handshakes with random listeners of the fleet, under the trust of a managed relying party. */
export async function startProber(domain: BenchDomain, fleet: Fleet): Promise<ChildProcess> {
  const { token } = await domain.call("createRelyingParty", { body: { name: "prober" } });
  const child = fork(new URL("prober-process.ts", import.meta.url), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const order: ProberOrder = {
    token,
    handshakesPerSecond,
    adminPort: domain.adminPort,
    trust: domain.trust.save(),
    ports: fleet.servicesPorts,
    dnsName: trafficName,
  };
  child.send(order);
  await new Promise((resolve) => setTimeout(resolve, partyReportsWithinMs));
  return child;
}

export function stopProber(child: ChildProcess): Promise<ProberCounts> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("error", reject);
    child.send("stop");
  });
}
