import type { TopologyView } from "../contract/index.ts";
import type { Reading } from "./cut-off.ts";
import { isHeardOf, shownMoment } from "./heard-of.ts";
import { productVersion } from "./product.ts";

/** The topology as the API shows it, with the present state of what is in it. */
export async function topologyView(state: Reading): Promise<TopologyView> {
  return state.env.store.read(async (view) => {
    const { domain, hosts, groups, instances, relyingParties } = await view.topology.whole();
    const observations = await view.observations.hosts();
    const states = new Map(
      observations.flatMap((host) => host.processes.map((process) => [process.id, process.state])),
    );
    const lastOf = new Map(observations.map((last) => [last.hostId, last]));
    const now = shownMoment(state);
    const connected = new Set(
      hosts.filter((host) => isHeardOf(state, now, host, lastOf.get(host.id))).map(({ id }) => id),
    );
    const epochs = new Map(
      (await view.observations.relyingParties()).map((party) => [party.id, party.loadedEpoch]),
    );
    return {
      id: domain.id,
      name: domain.name,
      version: await state.env.store.revision(),
      trustEpoch: state.trust.epoch,
      productVersion,
      hosts: hosts.map(({ id, name, address, status, dial, nodeManager }) => ({
        id,
        name,
        address,
        status,
        nodeManager: {
          id: nodeManager.id,
          name: nodeManager.name,
          port: nodeManager.port,
          isAdmin: nodeManager.isAdmin,
        },
        connected: connected.has(id),
        dial,
      })),
      groups: groups.map((group) => ({
        id: group.id,
        name: group.name,
        configuration: group.configuration as never,
        instances: instances
          .filter((instance) => instance.groupId === group.id)
          .map(({ groupId: _group, ...instance }) => ({
            ...instance,
            state: connected.has(instance.hostId)
              ? (states.get(instance.id) ?? ("stopped" as const))
              : ("unknown" as const),
          })),
      })),
      relyingParties: relyingParties.map(({ id, name }) => ({
        id,
        name,
        loadedEpoch: epochs.get(id) ?? null,
      })),
    };
  });
}
