import { Type, type Static } from "typebox";
import type { RouteDefinition } from "./route.ts";
import { hostId, list, name, nothing, nullable, processId, strict, timeMs } from "./schemas.ts";
import { topology } from "./topology.ts";

const held = {
  version: Type.Integer({ description: "of the topology, as `print_topology` shows it" }),
  trustEpoch: Type.Integer(),
  leads: Type.Boolean(),
  asOfMs: Type.Unsafe<number | null>({
    ...nullable(timeMs),
    description: "set while it cannot reach the store: what it shows is of this moment",
  }),
};

const adminCheck = strict({
  id: processId,
  hostId,
  name,
  said: nullable(strict(held)),
  problem: nullable(Type.String({ description: "why it says nothing" })),
});

const hostCheck = strict({
  id: processId,
  hostId,
  name,
  connected: Type.Boolean(),
  version: nullable(Type.Integer()),
  trustEpoch: nullable(Type.Integer()),
});

const difference = strict({
  at: hostId,
  text: Type.String({ description: "what is another there than here" }),
});
export type TopologyDifference = Static<typeof difference>;

const topologyCheck = strict({
  version: Type.Integer(),
  trustEpoch: Type.Integer(),
  admins: list(adminCheck),
  hosts: list(hostCheck),
  differences: list(difference),
});
export type TopologyCheck = Static<typeof topologyCheck>;

/** Whether everybody holds the same topology. */
export const topologyCheckRoutes = {
  checkTopology: {
    method: "GET",
    path: "/topology/check",
    access: "operator",
    status: 200,
    summary:
      "Which version of the topology every Admin Node Manager and every host holds, and what differs there",
    response: topologyCheck,
  },
  synchronizeTopology: {
    method: "POST",
    path: "/topology/synchronization",
    access: "administrator",
    status: 204,
    summary: "Gives the topology out again to every Admin Node Manager and host",
    response: nothing,
  },
  getHeldTopology: {
    method: "GET",
    path: "/relay/topology",
    access: "anm",
    status: 200,
    summary: "The topology that an Admin Node Manager holds and shows, for another one to compare",
    response: strict({ ...held, topology }),
  },
} as const satisfies Record<string, RouteDefinition>;
