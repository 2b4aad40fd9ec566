import { hostDifferences, topologyDifferences } from "../control/index.ts";
import type { RouteResponse, TopologyCheck } from "../contract/index.ts";
import type { Handlers } from "./handlers.ts";
import { readOrRecall, type Reading } from "./cut-off.ts";
import { topologyView } from "./topology-view.ts";

type Said = RouteResponse<"getHeldTopology">;

export const topologyCheckHandlers: Handlers<
  "checkTopology" | "synchronizeTopology" | "getHeldTopology"
> = {
  async checkTopology(reading) {
    const { env, hostId: ownId } = reading;
    const own = await heldTopology(reading);
    const { topology } = own;
    const peers = await reading.peers.topologies();
    const lastOf = new Map(
      (await env.store.read((view) => view.observations.hosts())).map((last) => [
        last.hostId,
        last,
      ]),
    );
    const sayingOf = new Map([
      [ownId, { said: own, problem: null }],
      ...peers.map(({ hostId, held, problem }) => [hostId, { said: held, problem }] as const),
    ]);
    const check: TopologyCheck = {
      version: own.version,
      trustEpoch: own.trustEpoch,
      admins: [],
      hosts: [],
      differences: [],
    };
    for (const { id: hostId, name, connected, nodeManager } of topology.hosts) {
      const { id } = nodeManager;
      const last = lastOf.get(hostId);
      const trustEpoch = last?.processes.find((process) => process.id === id)?.loadedEpoch ?? null;
      const version = last?.revision ?? null;
      check.hosts.push({ id, hostId, name, connected, version, trustEpoch });
      for (const text of hostDifferences(topology, hostId, last))
        check.differences.push({ at: hostId, text });
      const saying = sayingOf.get(hostId);
      if (!nodeManager.isAdmin || saying === undefined) continue;
      const { said, problem } = saying;
      check.admins.push({ id, hostId, name, said: said && withoutTopology(said), problem });
      for (const text of said === null ? [] : topologyDifferences(topology, said.topology))
        check.differences.push({ at: hostId, text });
    }
    return check;
  },
  async synchronizeTopology({ env }, { actor }) {
    const entry = { actor, action: "topology.synchronize", subject: "domain", detail: {} };
    await env.store.write(entry, async (tx) => {
      // What is put raises the revision, changed or not: everybody who waits for news asks again.
      for (const host of await tx.topology.hosts()) await tx.topology.putHost(host);
    });
    return null;
  },
  async getHeldTopology(state) {
    return (await readOrRecall(state, heldTopology)).answer;
  },
};

async function heldTopology(reading: Reading): Promise<Said> {
  const { trust, candidate, cutOff } = reading;
  const topology = await topologyView(reading);
  return {
    version: topology.version,
    trustEpoch: trust.epoch,
    leads: candidate.leadership !== null,
    asOfMs: cutOff?.asOfMs ?? null,
    topology,
  };
}

function withoutTopology({ topology: _topology, ...said }: Said): Omit<Said, "topology"> {
  return said;
}
