import type { ProcessId } from "../kit/index.ts";
import type { StoreView } from "./ports.ts";

/** Who listens on each port of an address: hosts may share one, as on a test machine. */
export async function listenersAt(
  view: StoreView,
  address: string,
): Promise<Map<number, ProcessId>> {
  const hosts = (await view.topology.hosts()).filter(
    (host) => host.address.toLowerCase() === address.toLowerCase(),
  );
  const ids = new Set(hosts.map((host) => host.id));
  const listeners = new Map(hosts.map(({ nodeManager: { id, port } }) => [port, id]));
  for (const { id, hostId, managementPort, servicesPort } of await view.topology.instances())
    if (ids.has(hostId)) listeners.set(managementPort, id).set(servicesPort, id);
  return listeners;
}
